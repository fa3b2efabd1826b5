import Foundation

extension SingleFile {
  /// The configurations that go with the weights, as the JSON files of a diffusers folder.
  ///
  /// They are those of the folder that the user gave, with what the user says of the prediction; else those of the
  /// published model of this kind, with what the file and its YAML file say of it.
  ///
  /// - Throws: what is wrong with the user's folder or the YAML file beside the model.
  func documents() throws -> [String: Data] {
    if let folder = options.configuration {
      var documents = try ModelFolder.readDocuments(folder)
      if let prediction = options.predictionType {
        try documents.edit(ModelFolder.schedulerFile, ["prediction_type": .string(prediction.rawValue)])
      }
      try adaptToChannels(&documents)
      return documents
    }
    let prediction = try statedPrediction() ?? .epsilon
    let like: StandardModel =
      switch (kind.generation, prediction) {
      case (.first, _): .sd15
      case (.second, .velocity): .sd21
      case (.second, _): .sd21Base
      }
    var documents = like.documents
    try documents.edit(ModelFolder.schedulerFile, ["prediction_type": .string(prediction.rawValue)])
    try adaptToChannels(&documents)
    return documents
  }

  /// Whether what the model predicts can only be told by asking it.
  func needsProbe() throws -> Bool {
    // The published models that take more than latents predict noise.
    guard kind.generation == .second, kind.inputChannels == 4, options.configuration == nil else { return false }
    return try statedPrediction() == nil
  }

  /// What the model predicts, as far as somebody says so: the user, a YAML file beside the model, or the file itself.
  private func statedPrediction() throws -> PredictionType? {
    if let given = options.predictionType { return given }
    if let yaml = try SingleFileYAML(beside: url) { return yaml.predictionType }
    switch metadata["modelspec.prediction_type"] {
    case "v", "v_prediction": return .velocity
    case "epsilon": return .epsilon
    default: return contains("v_pred") ? .velocity : nil
    }
  }

  /// Lets the UNet take as many channels as its first convolution does, and names the pipeline that feeds it.
  private func adaptToChannels(_ documents: inout [String: Data]) throws {
    let pipeline =
      switch kind.inputChannels {
      case 9: "StableDiffusionInpaintPipeline"
      case 8: "StableDiffusionInstructPix2PixPipeline"
      default: "StableDiffusionPipeline"
      }
    try documents.edit(ModelFolder.indexFile, ["_class_name": .string(pipeline)])
    try documents.edit(ModelPart.unet.configurationFile, ["in_channels": .number(Double(kind.inputChannels))])
  }
}

extension [String: Data] {
  /// Changes members of one of several JSON files, where they differ.
  fileprivate mutating func edit(_ file: String, _ changes: [String: JSONValue]) throws {
    guard let json = self[file] else { throw ModelFolderError.missingFile(file: file) }
    let members: [String: JSONValue]
    do {
      members = try JSONDecoder().decode([String: JSONValue].self, from: json)
    } catch let error as DecodingError {
      throw ConfigurationError.notJSON(file: file, reason: error.reason)
    }
    let edited = members.merging(changes) { $1 }
    if edited != members { self[file] = try JSONValue.object(edited).document() }
  }
}
