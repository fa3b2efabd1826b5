import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool plan`.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Say how much memory a training run takes, and what would take less.",
    discussion: """
      The forecast comes from a step that computes nothing; weights are not read. What a device's libraries take for \
      themselves comes on top.
      """)

  @OptionGroup var source: ModelSource

  @Option(help: "The side of the square the model is trained on, in pixels.")
  var resolution = 512

  @Option(help: "Photos in one batch; with prior preservation as many class pictures join them.")
  var trainBatchSize = 1

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Also train on pictures of the class.")
  var withPriorPreservation = false

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Train the UNet; not where the text encoder or new words are to learn alone.")
  var trainUnet = true

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Train the text encoder along with the UNet.")
  var trainTextEncoder = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Compute activations twice instead of keeping them.")
  var gradientCheckpointing = false

  @Option(
    help: ArgumentHelp(
      "The type that the networks compute in; GPUs have all of them.", valueName: "no|fp16|bf16"))
  var mixedPrecision = MixedPrecision.no

  @Option(help: "What the run will compute on: cpu or cuda. It need not be there.")
  var device = ComputeDevice.cpu

  @OptionGroup var memorySaving: MemorySavingOptions
  @OptionGroup var lora: LoRAOptions
  @OptionGroup var words: WordOptions

  @Option(
    help: ArgumentHelp(
      "What there is, such as 24GB (a thousand million bytes each) or 24GiB (1024 x 1024 x 1024 bytes each).",
      valueName: "size"))
  var memoryLimit: MemorySize?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Print JSON.")
  var json = false

  func validate() throws {
    try source.require()
    for (flag, count) in [("resolution", resolution), ("train-batch-size", trainBatchSize)]
    where !(1...100_000).contains(count) {
      throw ValidationError("--\(flag) is \(count) and must be from 1 to 100000")
    }
    guard device.computeTypes.contains(mixedPrecision.computeType) else {
      throw ValidationError("--mixed-precision \(mixedPrecision.rawValue) needs --device cuda")
    }
  }

  func run() throws {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: source.name, instanceDataDir: "", instancePrompt: "", outputDir: "")
    configuration.resolution = resolution
    configuration.trainBatchSize = trainBatchSize
    configuration.withPriorPreservation = withPriorPreservation
    configuration.trainUnet = trainUnet
    configuration.trainTextEncoder = trainTextEncoder
    configuration.gradientCheckpointing = gradientCheckpointing
    configuration.mixedPrecision = mixedPrecision
    memorySaving.apply(to: &configuration)
    lora.apply(to: &configuration)
    words.apply(to: &configuration)
    // A plan needs no prompt that holds the words and nothing that they begin with.
    configuration.instancePrompt = words.placeholderToken.joined(separator: " ")
    configuration.initializerToken = configuration.initializerToken ?? configuration.placeholderToken
    // A run of this kind is refused without.
    if configuration.fusedBackwardPass { configuration.maxGradNorm = .infinity }
    try configuration.requireWhatIsTrained()
    let folder = try source.folder()
    try configuration.requireResolution(for: folder)
    let plan = try MemoryPlan(
      folder, configuration, computeTypes: device.computeTypes, limit: memoryLimit?.byteCount)
    print(json ? try JSON.text(plan) : plan.text)
  }
}

extension ComputeDevice {
  /// The types that such a device computes in.
  fileprivate var computeTypes: Set<DType> {
    switch self {
    case .cpu: [.float32]
    case .cuda: [.float32, .float16, .bfloat16]
    }
  }
}

/// The memory of a run and of its alternatives, in bytes.
struct MemoryPlan: Encodable {
  /// A way to train that takes less.
  struct Alternative: Encodable {
    let flags: [String]
    let total: Int
    let fits: Bool?
  }

  let weights, gradients, moments, activations, total: Int
  let memoryLimit: Int?
  /// Whether the run stays below the limit, if there is one.
  let fits: Bool?
  let alternatives: [Alternative]

  init(
    _ folder: ModelFolder, _ configuration: TrainingConfiguration, computeTypes: Set<DType>, limit: Int?
  ) throws {
    func fits(_ bytes: Int) -> Bool? { limit.map { bytes <= $0 } }
    let memory = try TrainingMemory(folder, configuration)
    weights = memory.weights
    gradients = memory.gradients
    moments = memory.moments
    activations = memory.activations
    total = memory.total
    memoryLimit = limit
    self.fits = fits(memory.total)
    alternatives = try TrainingMemory.savings(configuration, computeTypes: computeTypes).map { saving in
      let total = try TrainingMemory(folder, saving.configuration).total
      return Alternative(flags: saving.flags, total: total, fits: fits(total))
    }
  }

  /// The plan in lines.
  var text: String {
    let parts = [
      ("weights", weights), ("gradients", gradients), ("moments of AdamW", moments), ("activations", activations),
      ("together", total),
    ]
    var lines = parts.map { name, bytes in MemoryPlan.column(bytes) + "  \(name)" }
    if !alternatives.isEmpty {
      lines += ["", "Less with:"]
      lines += alternatives.map { MemoryPlan.column($0.total) + "  " + $0.flags.joined(separator: " ") }
    }
    if let verdict { lines += ["", verdict] }
    return lines.joined(separator: "\n")
  }

  private var verdict: String? {
    guard let memoryLimit, let fits else { return nil }
    let limit = MemorySize(byteCount: memoryLimit)
    if fits { return "It fits into \(limit)." }
    guard let remedy = alternatives.first(where: { $0.fits == true }) else {
      return "It does not fit into \(limit), whatever the options."
    }
    return "It does not fit into \(limit), but does with \(remedy.flags.joined(separator: " "))."
  }

  /// An amount of memory in a column.
  private static func column(_ byteCount: Int) -> String {
    let text = "\(MemorySize(byteCount: byteCount))"
    return String(repeating: " ", count: max(0, 11 - text.count)) + text
  }
}
