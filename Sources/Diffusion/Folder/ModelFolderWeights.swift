import Foundation

extension ModelFolder {
  /// A single file, of which everything but the weights is made up.
  init(_ file: SingleFile, use: ModelOptions.Use) throws {
    try self.init(file.url, documents: file.documents(), contents: .singleFile(file), use: use)
    if file.options.configuration == nil { try requirePublishedShape() }
    if try file.needsProbe() {
      let known = try file.predicting(PredictionProbe(self).predictionType())
      try self.init(file.url, documents: known.documents(), contents: .singleFile(known), use: use)
    }
  }

  /// Makes sure that the weights fit the published model that a single file was taken for.
  private func requirePublishedShape() throws {
    do {
      for part in ModelPart.allCases { _ = try tensors(of: part) }
    } catch let error as ModelFolderError {
      throw SingleFileError.unusualShape(file: url.path(percentEncoded: false), reason: "\(error)")
    }
  }

  /// The weights of a part as they are stored.
  ///
  /// - Throws: `ModelFolderError` where there are none, or why they cannot be read.
  func storedWeights(of part: ModelPart) throws -> StoredWeights {
    switch contents {
    case .files(let variant): return try StoredWeights(part, in: url, variant: variant)
    case .singleFile(let file):
      return try StoredWeights(part, file.weights(of: part, specifications(of: part), layout), path: file.path)
    case .merged(let merge):
      return try StoredWeights(part, merge.tensors(of: part), path: url.path(percentEncoded: false))
    case .untrained: throw ModelFolderError.missingFile(file: part.weightsFile)
    }
  }

  /// The tensors of a part under the names and with the extents of diffusers' present version.
  ///
  /// - Parameter dtype: the type of the numbers; if nil, that in which they are stored.
  /// - Throws: `ModelFolderError` where they are not what the configuration calls for.
  package func tensors(of part: ModelPart, as dtype: DType? = nil) throws -> [TensorItem] {
    let stored = try storedWeights(of: part).tensors(specifications(of: part))
    return dtype.map { dtype in stored.map { $0.converted(to: dtype) } } ?? stored
  }

  /// Where the tensors stand in a single file.
  var layout: SingleFileLayout {
    SingleFileLayout(unet: unetConfiguration, text: textConfiguration, autoencoder: autoencoderConfiguration)
  }
}
