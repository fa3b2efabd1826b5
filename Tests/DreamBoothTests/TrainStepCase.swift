import DreamBooth
import Foundation
import TestSupport

/// A training step that PyTorch has taken; see Fixtures/train_step.py.
struct TrainStepCase: Decodable {
  /// The largest differences between PyTorch's float32 and float64.
  private struct Conditioning: Decodable {
    struct Difference: Decodable {
      let relativeDifference: Double
    }
    let param: Difference
  }

  let model: String
  let trainTextEncoder: Bool
  let withPriorPreservation: Bool
  /// The gradients that are zero in exact arithmetic and hold rounding noise alone.
  let zeroGradients: [String]
  private let priorLossWeight: Float?
  /// The adapters that are trained, if the networks' own weights are not.
  private let lora: String?
  /// The new word that is trained alone.
  private let embedding: String?
  private let learningRate: Double
  private let steps: Int
  private let conditioning: Conditioning
  private var name = ""

  private enum CodingKeys: CodingKey {
    case model, trainTextEncoder, withPriorPreservation, zeroGradients, priorLossWeight, learningRate, steps, lora,
      embedding
    case conditioning
  }

  static let names = [
    "sd1", "sd1-prior", "sd1-text", "sd1-text-prior", "sd1-pixels", "sd2", "sd2-prior", "sd2-text", "sd2-text-prior",
    "sd21", "sd21-prior", "sd21-text", "sd21-text-prior", "sample",
  ]

  init(_ name: String) throws {
    self = try Fixtures.golden("train-step/\(name)", as: TrainStepCase.self)
    self.name = name
  }

  /// What PyTorch's rounding does to the parameters.
  var parameterConditioning: Double { conditioning.param.relativeDifference }

  /// Whether a tensor is a gradient that is exactly zero, or a parameter that was moved by one.
  func isRoundingNoise(_ tensor: String) -> Bool {
    zeroGradients.contains(tensor) || zeroGradients.contains("grad." + tensor.dropFirst("param.".count))
  }

  /// Takes the step here and opens what comes out.
  func trace(in folder: TemporaryFolder, on device: Device = .cpu, checkpointing: Bool = false) throws
    -> SafetensorsFile
  {
    var options = Trace.Options()
    options.trainTextEncoder = trainTextEncoder
    options.priorLossWeight = priorLossWeight
    options.gradientCheckpointing = checkpointing
    options.learningRate = learningRate
    options.steps = steps
    func golden(_ name: String) -> URL { Fixtures.folder.appending(path: "goldens/\(name).safetensors") }
    options.lora = try lora.map { try LoRA(contentsOf: golden($0)) }
    options.words = try embedding.map { [try TextualInversion(contentsOf: golden($0))] } ?? []
    let output = folder.url.appending(path: "\(name)-\(device)-\(checkpointing).safetensors")
    try Trace(ModelFolder(Fixtures.model(model)), options, on: device.backend).run(
      input: Fixtures.folder.appending(path: "goldens/train-step/\(name).inputs.safetensors"), output: output)
    return try SafetensorsFile(output)
  }
}
