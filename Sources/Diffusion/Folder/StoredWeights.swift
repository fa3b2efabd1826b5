import Foundation

/// The stored weights of one part of a model, under the names that the models ask for.
///
/// Strict: every parameter must be there with the right extents, and nothing else.
struct StoredWeights: ParameterSource {
  /// Where the weights stand, for error messages.
  private let path: String
  private let part: ModelPart
  /// The tensors by the parameters that they stand for.
  private let tensors: [String: TensorItem]

  /// The weights of `part` in a model's folder.
  ///
  /// - Parameter variant: the variant to read, such as `fp16`; the plain files, or the only variant, if nil.
  /// - Throws: `ModelFolderError` where they are missing or ambiguous, or what is wrong with their files.
  init(_ part: ModelPart, in folder: URL, variant: String? = nil) throws {
    let files = try WeightFiles(part, in: folder, variant: variant)
    try self.init(part, files.tensors(), path: files.path)
  }

  /// Weights under the names that some version of the libraries gives them.
  init(_ part: ModelPart, _ stored: [TensorItem], path: String) throws {
    self.path = path
    self.part = part
    var tensors: [String: TensorItem] = [:]
    for tensor in stored {
      guard let key = part.key(ofStored: tensor.name) else { continue }
      if let other = tensors.updateValue(tensor, forKey: key) {
        throw ModelFolderError.ambiguousKeys(file: path, key: key, names: [other.name, tensor.name].sorted())
      }
    }
    self.tensors = tensors
  }

  func check(_ specifications: [ParameterSpecification]) throws {
    let missing = specifications.map(\.name).filter { tensors[$0] == nil }
    guard missing.isEmpty else { throw ModelFolderError.missingKeys(file: path, keys: missing) }
    let unexpected = Set(tensors.keys).subtracting(specifications.map(\.name))
    guard unexpected.isEmpty else {
      throw ModelFolderError.unexpectedKeys(file: path, keys: unexpected.map { tensors[$0]!.name }.sorted())
    }
    for specification in specifications {
      let tensor = tensors[specification.name]!
      guard part.accepts(tensor.shape, for: specification.shape) else {
        throw ModelFolderError.wrongShape(
          file: path, key: tensor.name, found: tensor.shape, expected: specification.shape)
      }
      guard [.float32, .float16, .bfloat16].contains(tensor.dtype) else {
        throw ModelFolderError.wrongType(file: path, key: tensor.name, found: tensor.dtype.rawValue)
      }
    }
  }

  func fill(_ parameter: Parameter) throws { parameter.assign(try numbers(parameter.name)) }

  /// A parameter's numbers in PyTorch's order.
  func numbers(_ key: String) throws -> [Float] {
    guard let tensor = tensors[key] else { throw ModelFolderError.missingKeys(file: path, keys: [key]) }
    return try tensor.floats()
  }

  /// The tensors under the names and with the extents of diffusers' present version.
  ///
  /// - Throws: `ModelFolderError` where they are not what is specified.
  func tensors(_ specifications: [ParameterSpecification]) throws -> [TensorItem] {
    try check(specifications)
    return specifications.map { tensors[$0.name]!.named($0.name).reshaped($0.shape) }
  }

  /// The types that the numbers are stored as.
  var storedTypes: Set<StoredType> { Set(tensors.values.map(\.dtype)) }
}
