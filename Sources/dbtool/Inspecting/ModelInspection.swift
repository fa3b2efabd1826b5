import DreamBooth
import Foundation

/// What there is to say of a model.
struct ModelInspection: Encodable {
  struct Part: Encodable {
    let name: String
    let tensors: Int
    let parameters: Int
    let dtypes: [String]
  }

  struct Memory: Encodable {
    let what: String
    let bytes: Int
  }

  let parts: [Part]
  let parameters: Int
  let resolution: Int
  let prediction: String
  let trainingMemory: [Memory]

  init(_ folder: ModelFolder) throws {
    parts = try ModelPart.allCases.map { part in
      let specifications = try folder.specifications(of: part)
      return Part(
        name: part.rawValue, tensors: specifications.count,
        parameters: specifications.reduce(0) { $0 + $1.shape.count },
        dtypes: try folder.storedTypes(of: part).map(\.rawValue).sorted())
    }
    parameters = parts.reduce(0) { $0 + $1.parameters }
    let side = folder.unetConfiguration.sampleHeight ?? 64
    resolution = side * folder.autoencoderConfiguration.downFactor
    prediction = (folder.schedulerConfiguration.predictionType ?? .epsilon).rawValue
    trainingMemory = try ModelInspection.trainingMemory(folder, resolution: resolution)
  }

  /// The peak of a batch of one photo and one class picture, for the ways of training that differ most.
  private static func trainingMemory(_ folder: ModelFolder, resolution: Int) throws -> [Memory] {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: folder.url.path(percentEncoded: false), instanceDataDir: "", instancePrompt: "",
      outputDir: "")
    configuration.resolution = resolution
    configuration.trainBatchSize = 1
    configuration.withPriorPreservation = true
    return try [(false, false), (false, true), (true, false), (true, true)].map { trainsText, checkpoints in
      configuration.trainTextEncoder = trainsText
      configuration.gradientCheckpointing = checkpoints
      let what = (trainsText ? "UNet and text encoder" : "UNet") + (checkpoints ? ", gradient checkpointing" : "")
      return Memory(what: what, bytes: try TrainingMemory(folder, configuration).total)
    }
  }

  var text: String {
    var lines = parts.map { part in
      "\(ModelInspection.padded(part.name, 14))\(millions(part.parameters)) in \(part.tensors) tensors, "
        + part.dtypes.joined(separator: " and ")
    }
    lines.append("\(ModelInspection.padded("together", 14))\(millions(parameters))")
    lines.append("Trained for \(resolution)x\(resolution) pixels; predicts \(prediction).")
    lines.append("Memory to train it in float32 with a batch of one photo and one class picture:")
    for memory in trainingMemory {
      lines.append(String(format: "  %7.2f GB  %@", Double(memory.bytes) / 1e9, memory.what))
    }
    return lines.joined(separator: "\n")
  }

  private func millions(_ count: Int) -> String { String(format: "%8.2f M parameters", Double(count) / 1e6) }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
