import Foundation

/// The weights of one part of a model in its safetensors file, under the names that the models ask for.
///
/// Strict: every parameter must be there with the right extents, and nothing else.
struct StoredWeights: ParameterSource {
  private let part: ModelPart
  private let file: SafetensorsFile
  /// The name in the file of each parameter.
  private let names: [String: String]

  /// Opens the weights of `part` in a model's folder.
  ///
  /// - Throws: `ModelFolderError` where they are missing or ambiguous, `SafetensorsError` where they are damaged.
  init(_ part: ModelPart, in folder: URL) throws {
    self.part = part
    let url = folder.appending(path: part.weightsFile)
    if !FileManager.default.fileExists(atPath: url.path(percentEncoded: false)) {
      throw Self.missing(url)
    }
    file = try SafetensorsFile(url)
    var names: [String: String] = [:]
    for name in file.names {
      guard let key = part.key(ofStored: name) else { continue }
      if let other = names.updateValue(name, forKey: key) {
        throw ModelFolderError.ambiguousKeys(file: file.path, key: key, names: [other, name].sorted())
      }
    }
    self.names = names
  }

  /// Says why there are no weights: whether they stand there in another form.
  private static func missing(_ url: URL) -> ModelFolderError {
    let path = url.path(percentEncoded: false)
    let folder = url.deletingLastPathComponent().path(percentEncoded: false)
    let contents = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let otherForms = contents.filter { name in
      [".safetensors.index.json", ".safetensors", ".bin", ".msgpack", ".h5", ".ckpt"].contains { name.hasSuffix($0) }
    }
    guard let other = otherForms.min() else { return .missingFile(file: path) }
    return .unsupportedWeights(wanted: path, found: other)
  }

  func check(_ specifications: [ParameterSpecification]) throws {
    let missing = specifications.map(\.name).filter { names[$0] == nil }
    guard missing.isEmpty else { throw ModelFolderError.missingKeys(file: file.path, keys: missing) }
    let unexpected = Set(names.keys).subtracting(specifications.map(\.name))
    guard unexpected.isEmpty else {
      throw ModelFolderError.unexpectedKeys(file: file.path, keys: unexpected.map { names[$0]! }.sorted())
    }
    for specification in specifications {
      let name = names[specification.name]!
      let entry = try file.entry(name)
      guard part.accepts(entry.shape, for: specification.shape) else {
        throw ModelFolderError.wrongShape(
          file: file.path, key: name, found: entry.shape, expected: specification.shape)
      }
      guard [.float32, .float16, .bfloat16].contains(entry.dtype) else {
        throw ModelFolderError.wrongType(file: file.path, key: name, found: entry.dtype.rawValue)
      }
    }
  }

  func fill(_ parameter: Parameter) throws { parameter.assign(try numbers(parameter.name)) }

  /// A parameter's numbers in PyTorch's order.
  func numbers(_ key: String) throws -> [Float] { try file.floats(names[key] ?? key) }

  /// The types that the numbers are stored as.
  var storedTypes: Set<StoredType> { Set(names.values.compactMap { file.entries[$0]?.dtype }) }
}
