import ArgumentParser
import DreamBooth

/// Adapters to train in place of the networks' own weights.
struct LoRAOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Train a LoRA, a file of some megabytes that is added to the model, and leave the model as it is.")
  var lora = false

  @Option(help: "The rank of the LoRA. (default: 4)")
  var rank: Int?

  @Option(help: "Its strength, shared by the rank; diffusers has no choice but the rank itself. (default: 32)")
  var loraAlpha: Float?

  @Option(help: "The chance of numbers that enter it to be dropped while it is trained. (default: 0)")
  var loraDropout: Double?

  @Option(
    help: ArgumentHelp(
      """
      The layers that it is added to, by the ends of their names, with commas between them. (default: \
      \(LoRAConfiguration().targetModules.joined(separator: ",")), which are those of attention)
      """, valueName: "names"))
  var targetModules: String?

  func validate() throws {
    let given = [
      ("rank", rank != nil), ("lora-alpha", loraAlpha != nil), ("lora-dropout", loraDropout != nil),
      ("target-modules", targetModules != nil),
    ]
    if !lora, let (name, _) = given.first(where: \.1) { throw ValidationError("--\(name) goes with --lora only") }
  }

  func apply(to configuration: inout TrainingConfiguration) {
    guard lora else { return }
    var options = LoRAConfiguration()
    rank.map { options.rank = $0 }
    loraAlpha.map { options.alpha = $0 }
    loraDropout.map { options.dropout = $0 }
    targetModules.map {
      options.targetModules = $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    configuration.lora = options
    configuration.learningRate = LoRAConfiguration.learningRate
  }
}
