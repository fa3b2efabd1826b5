import Foundation

extension ModelFolder {
  /// A single file, of which everything but the weights is made up.
  init(_ file: SingleFile, use: ModelOptions.Use) throws {
    guard try file.needsProbe() else {
      try self.init(file.url, documents: file.documents(), contents: .singleFile(file), use: use)
      return
    }
    let probe = try PredictionProbe(
      ModelFolder(file.url, documents: file.documents(), contents: .singleFile(file), use: .conversion))
    let known = try file.predicting(probe.predictionType())
    try self.init(file.url, documents: known.documents(), contents: .singleFile(known), use: use)
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
  func tensors(of part: ModelPart, as dtype: DType? = nil) throws -> [TensorItem] {
    let stored = try storedWeights(of: part).tensors(specifications(of: part))
    return dtype.map { dtype in stored.map { $0.converted(to: dtype) } } ?? stored
  }

  /// The bytes of all weights.
  ///
  /// - Parameter dtype: the type of the numbers; if nil, that in which they are stored.
  /// - Throws: why the weights cannot be read.
  public func storedByteCount(as dtype: DType? = nil) throws -> Int {
    try ModelPart.allCases.reduce(0) { try $0 + tensors(of: $1, as: dtype).reduce(0) { $0 + $1.byteCount } }
  }

  /// Where the tensors stand in a single file.
  var layout: SingleFileLayout {
    SingleFileLayout(unet: unetConfiguration, text: textConfiguration, autoencoder: autoencoderConfiguration)
  }
}
