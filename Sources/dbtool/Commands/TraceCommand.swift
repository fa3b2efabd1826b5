import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool trace`.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Carry out training steps on given numbers and write down everything, to be held against PyTorch.",
    discussion: """
      INPUTS holds, in PyTorch's layout, 'latents' (already scaled) or 'pixel_values' (-1...1), 'noise', 'timesteps' \
      and 'input_ids'. With prior preservation the second half of the batch is the class half.
      """)

  @Option(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "model"))
  var model: String

  @Option(help: ArgumentHelp("The safetensors file with the numbers to start from.", valueName: "file"))
  var inputs: String

  @Option(help: ArgumentHelp("The safetensors file to write.", valueName: "file"))
  var output: String

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Train the text encoder along with the UNet.")
  var trainTextEncoder = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Add the loss of the class half.")
  var withPriorPreservation = false

  @Option(help: "The factor on the loss of the class half.")
  var priorLossWeight: Float = 1

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Compute activations twice instead of keeping them.")
  var gradientCheckpointing = false

  @Option(help: ArgumentHelp("Train these adapters instead of the networks' own weights.", valueName: "file"))
  var lora: String?

  @Option(help: ArgumentHelp("Train the vectors of this new word alone; repeat it for several.", valueName: "file"))
  var embedding: [String] = []

  @Option(help: "The learning rate of the optimiser steps.")
  var learningRate = 5e-6

  @Option(help: "How many AdamW steps to take.")
  var steps: Int?

  @Option(help: "The type of the networks' arithmetic: fp32, fp16 or bf16, the latter where the device has them.")
  var precision = Precision.fp32

  @OptionGroup var reading: ModelReadingOptions
  @OptionGroup var device: DeviceOption

  func validate() throws {
    if let steps, steps < 1 { throw ValidationError("--steps is \(steps) and must be at least 1") }
    guard learningRate > 0, learningRate.isFinite else {
      throw ValidationError("--learning-rate is \(learningRate) and must be a number above 0")
    }
    guard priorLossWeight >= 0, priorLossWeight.isFinite else {
      throw ValidationError("--prior-loss-weight is \(priorLossWeight) and must be a number from 0 on")
    }
  }

  func run() throws {
    try OutputPath.requireFile(output)
    var options = Trace.Options()
    options.trainTextEncoder = trainTextEncoder
    options.priorLossWeight = withPriorPreservation ? priorLossWeight : nil
    options.gradientCheckpointing = gradientCheckpointing
    options.learningRate = learningRate
    options.steps = steps
    options.lora = try lora.map { try LoRA(contentsOf: URL(filePath: $0)) }
    options.words = try embedding.map { try TextualInversion(contentsOf: URL(filePath: $0)) }
    let backend = try device.backend()
    options.computeType = try precision.computeType(on: backend)
    try Trace(reading.model(model), options, on: backend)
      .run(input: URL(filePath: inputs), output: URL(filePath: output))
  }
}
