import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool lora`.
struct LoRACommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lora", abstract: "Merge LoRAs into a model, or extract one from two models.",
    subcommands: [MergeLoRA.self, ExtractLoRA.self])
}

/// `dbtool lora merge`.
struct MergeLoRA: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Add LoRAs to a model's weights.",
    discussion: "The new model draws what the old one draws with the LoRAs, without them.")

  @Option(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "model"))
  var model: String

  @OptionGroup var reading: ModelReadingOptions

  @Option(
    help: ArgumentHelp(
      "A LoRA file and how strongly it is added; repeat it for several.", valueName: "file[:scale]"))
  var lora: [LoRAOption]

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store half-precision numbers, half the size.")
  var half = false

  @Argument(help: ArgumentHelp("The folder to write.", valueName: "output"))
  var output: String

  func run() throws {
    try OutputPath.requireFree(output)
    let folder = try reading.model(model, for: .conversion)
    let backend = try CPUBackend(environment: ProcessInfo.processInfo.environment)
    let loras = try lora.map { try $0.scaledLoRA() }
    try WritingLine.show { progress in
      try folder.save(
        to: URL(filePath: output), loras: loras, dtype: half ? .float16 : .float32, on: backend, progress: progress)
    }
  }
}

/// `dbtool lora extract`.
struct ExtractLoRA: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract", abstract: "Find the LoRA that comes nearest to the difference of two models.")

  @Option(help: ArgumentHelp("The trained model: a diffusers folder or a single file.", valueName: "model"))
  var model: String

  @Option(help: ArgumentHelp("The model that it was trained from.", valueName: "model"))
  var base: String

  @OptionGroup var reading: ModelReadingOptions

  @Option(help: "The rank for matrices.")
  var rank = 32

  @Option(help: "The rank for convolutions of more than single pixels, which are left out without.")
  var convRank: Int?

  @Option(help: "The layout to write: diffusers, or kohya for AUTOMATIC1111 and ComfyUI too.")
  var layout = LoRALayout.diffusers

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store half-precision numbers, half the size.")
  var half = false

  @Argument(help: ArgumentHelp("The file to write.", valueName: "output"))
  var output: String

  @OptionGroup var device: DeviceOption

  func validate() throws {
    for (flag, rank) in [("rank", rank), ("conv-rank", convRank ?? 1)] where !(1...1024).contains(rank) {
      throw ValidationError("--\(flag) is \(rank) and must be from 1 to 1024")
    }
  }

  func run() throws {
    try OutputPath.requireNewFile(output, ending: "safetensors")
    var options = LoRA.Extraction.Options()
    options.rank = rank
    options.convolutionRank = convRank
    options.dtype = half ? .float16 : .float32
    let line = ProgressLine()
    let backend = try device.backend()
    let extraction = try LoRA.extraction(
      from: reading.model(model, for: .conversion), base: reading.model(base, for: .conversion), options, on: backend
    ) { done, total in
      line.show("weight \(done) of \(total)", isLast: done == total)
    }
    guard !extraction.lora.layers.isEmpty else { throw EqualModels(model: model, base: base) }
    try extraction.lora.write(to: URL(filePath: output), layout, on: backend)
    print(
      String(format: "%d layers hold %.1f%% of the difference.", extraction.lora.layers.count, 100 * extraction.share))
    if !extraction.leftOut.isEmpty {
      let examples = extraction.leftOut.prefix(3).joined(separator: ", ")
      print("\(extraction.leftOut.count) other parameters differ too, such as \(examples).")
    }
  }

  /// There is nothing to extract.
  private struct EqualModels: Error, CustomStringConvertible {
    let model, base: String

    var description: String { "\(model) and \(base) have the same weights where a LoRA could hold a difference" }
  }
}

extension LoRALayout: ExpressibleByArgument {}
