import Foundation

/// A file that `torch.save` wrote, of any version, read from disk only where its tensors are asked for.
///
/// Such files contain a program in Python's pickle format. It is followed without ever running what it names: tensors,
/// plain values, lists and dictionaries are understood, and anything else becomes `StoredValue.unknown`.
public final class TorchFile: TensorFile {
  /// The path, as given.
  public let path: String
  /// Whether the file is a zip archive or of the layout before PyTorch 1.6.
  public let format: TensorFileFormat
  /// Everything that the file holds.
  public let root: StoredValue
  /// The tensors of the innermost `state_dict` or, in a file of token vectors, of `string_to_param`, or of the top level
  /// where there is neither, by name.
  public let entries: [String: StoredTensor]
  /// The names of those tensors, in the order of the dictionary.
  public let names: [String]
  /// Those of its tensors that hold numbers of unsupported types: the types' names by the tensors'.
  public let unsupportedTypes: [String: String]
  /// The functions and classes that PyTorch would have called and that are ignored here.
  public let ignored: [String]

  /// Opens a file and checks all that it says of its tensors.
  ///
  /// - Throws: `FileError` when the file cannot be read, `TensorFileError` when PyTorch did not write it,
  ///   `TorchFileError` when it is damaged or in a form that is not read.
  public init(_ url: URL) throws {
    path = url.path(percentEncoded: false)
    format = try TensorFileFormat(of: url)
    let file = try MappedFile(url)
    do {
      let graph: PickleGraph
      let locate: (TorchStorage) throws -> Range<Int>
      switch format {
      case .torchArchive:
        let layout = try file.withBytes(0..<file.byteCount) { try TorchArchiveLayout($0) }
        (graph, locate) = (layout.graph, layout.locate)
      case .torchLegacy:
        let layout = try file.withBytes(0..<file.byteCount) { try LegacyTorchLayout($0) }
        (graph, locate) = (layout.graph, layout.locate)
      case .safetensors:
        throw TensorFileError(path: path, problem: .unknownFormat("it is a safetensors file"))
      }
      root = try TorchInterpreter.value(of: graph, in: file, locate: locate)
      ignored = TorchInterpreter.ignoredGlobals(in: graph)
    } catch let problem as TorchFileError.Problem {
      throw TorchFileError(path: path, problem: problem)
    }
    let pairs = Self.innermostState(root)?.pairs ?? []
    var names: [String] = []
    var entries: [String: StoredTensor] = [:]
    var unsupportedTypes: [String: String] = [:]
    for pair in pairs {
      switch (pair.key, pair.value) {
      case (.string(let name), .tensor(let tensor)):
        names.append(name)
        entries[name] = tensor
      case (.string(let name), .unsupportedTensor(let type)): unsupportedTypes[name] = type
      default: break
      }
    }
    (self.names, self.entries, self.unsupportedTypes) = (names, entries, unsupportedTypes)
  }

  /// Empty: the format has nothing of the kind.
  public var metadata: [String: String] { [:] }

  /// Follows the names under which programs keep tensors as often as they are there: some tools wrap a checkpoint into
  /// another one.
  private static func innermostState(_ root: StoredValue) -> StoredDictionary? {
    var value = root
    while let inner = value["state_dict"] ?? value["string_to_param"], inner.dictionary != nil { value = inner }
    return value.dictionary
  }
}
