import Foundation

/// A safetensors file, read from disk only where its tensors are asked for.
///
/// The whole header is checked when the file is opened: every byte of numbers belongs to exactly one tensor.
/// Format: https://github.com/huggingface/safetensors
public final class SafetensorsFile: TensorFile {
  /// The path, as given.
  public let path: String
  /// The header's free-form part.
  public let metadata: [String: String]
  /// All tensors by name.
  public let entries: [String: StoredTensor]

  /// Opens a file and checks its header.
  ///
  /// - Throws: `FileError` when the file cannot be read, `SafetensorsError` when it is damaged.
  public init(_ url: URL) throws {
    path = url.path(percentEncoded: false)
    let file = try MappedFile(url)
    let path = path
    func fail(_ problem: SafetensorsError.Problem) -> SafetensorsError {
      SafetensorsError(path: path, problem: problem)
    }

    let byteCount = file.byteCount
    guard byteCount >= 8 else { throw fail(.tooShort(byteCount: byteCount)) }
    let claimed = file.withBytes(0..<8) { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard claimed <= byteCount - 8 else { throw fail(.headerTooLong(claimed: claimed, byteCount: byteCount)) }
    guard claimed <= SafetensorsHeader.byteLimit else { throw fail(.headerTooLarge(byteCount: Int(claimed))) }
    let start = 8 + Int(claimed)
    let header: SafetensorsHeader
    do throws(SafetensorsHeaderReader.Failure) {
      header = try file.withBytes(8..<start) { text throws(SafetensorsHeaderReader.Failure) in
        try SafetensorsHeaderReader.header(text)
      }
    } catch {
      throw fail(.headerNotJSON(error.reason))
    }
    if let problem = header.problem(byteCount: byteCount - start) { throw fail(problem) }
    metadata = header.metadata
    entries = header.entries.mapValues {
      StoredTensor($0.dtype, Shape($0.shape), range: start + $0.begin..<start + $0.end, in: file)
    }
  }

  /// The size of a file's header with the 8 bytes before it: where the numbers begin.
  ///
  /// - Throws: as `init` does.
  public static func headerByteCount(_ url: URL) throws -> Int {
    let file = try SafetensorsFile(url)
    return try MappedFile(url).byteCount - file.entries.values.reduce(0) { $0 + $1.byteCount }
  }

  /// The names of all tensors, in the order in which they stand in the file.
  public var names: [String] {
    entries.sorted { ($0.value.range.lowerBound, $0.key) < ($1.value.range.lowerBound, $1.key) }.map(\.key)
  }

  /// `safetensors`.
  public var format: TensorFileFormat { .safetensors }

  /// The tensors by name; the format has nothing beside them.
  public var root: StoredValue {
    .dictionary(StoredDictionary(names.map { (.string($0), .tensor(entries[$0]!)) }))
  }

  /// Empty: a header with other types is refused.
  public var unsupportedTypes: [String: String] { [:] }

  /// Empty: the format names no functions.
  public var ignored: [String] { [] }
}

extension DecodingError {
  /// The reason in one line, without the coding path's Swift types.
  package var reason: String {
    switch self {
    case .dataCorrupted(let context), .keyNotFound(_, let context), .typeMismatch(_, let context),
      .valueNotFound(_, let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    @unknown default: return "\(self)"
    }
  }
}
