import Foundation

/// A safetensors file, read from disk only where its tensors are asked for.
///
/// The whole header is checked when the file is opened: every byte of numbers belongs to exactly one tensor.
/// Format: https://github.com/huggingface/safetensors
public final class SafetensorsFile: Sendable {
  /// What the header says of one tensor.
  public struct Entry: Sendable, Hashable {
    /// The type of its numbers.
    public let dtype: StoredType
    /// Its extents.
    public let shape: Shape
    /// Where its bytes stand in the file.
    let range: Range<Int>
  }

  /// The path, as given.
  public let path: String
  /// The header's free-form part.
  public let metadata: [String: String]
  /// All tensors by name.
  public let entries: [String: Entry]
  private let file: MappedFile

  /// Opens a file and checks its header.
  ///
  /// - Throws: `FileError` when the file cannot be read, `SafetensorsError` when it is damaged.
  public init(_ url: URL) throws {
    path = url.path(percentEncoded: false)
    file = try MappedFile(url)
    let path = path
    func fail(_ problem: SafetensorsError.Problem) -> SafetensorsError {
      SafetensorsError(path: path, problem: problem)
    }

    let byteCount = file.byteCount
    guard byteCount >= 8 else { throw fail(.tooShort(byteCount: byteCount)) }
    let claimed = file.withBytes(0..<8) { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard claimed <= SafetensorsHeader.byteLimit, claimed <= byteCount - 8 else {
      throw fail(.headerTooLong(claimed: claimed, byteCount: byteCount))
    }
    let start = 8 + Int(claimed)
    let header: SafetensorsHeader
    do {
      let text = file.withBytes(8..<start) { Data($0) }
      guard text.first == UInt8(ascii: "{") else { throw fail(.headerNotJSON("it does not begin with '{'")) }
      header = try JSONDecoder().decode(SafetensorsHeader.self, from: text)
    } catch let error as DecodingError {
      throw fail(.headerNotJSON(error.reason))
    }
    if let problem = header.problem(byteCount: byteCount - start) { throw fail(problem) }
    metadata = header.metadata
    entries = header.entries.mapValues {
      Entry(dtype: $0.dtype, shape: Shape($0.shape), range: start + $0.offsets[0]..<start + $0.offsets[1])
    }
  }

  /// The names of all tensors, in the order in which they stand in the file.
  public var names: [String] {
    entries.sorted { ($0.value.range.lowerBound, $0.key) < ($1.value.range.lowerBound, $1.key) }.map(\.key)
  }

  /// The numbers of a tensor of unsigned bytes.
  ///
  /// - Throws: `SafetensorsError` when the tensor is missing or of another type.
  public func bytes(_ name: String) throws -> [UInt8] {
    let entry = try entry(name)
    guard entry.dtype == StoredType(.uint8) else { throw wrongType(name, entry, wanted: "unsigned bytes") }
    return try withBytes(name) { Array($0) }
  }

  /// The entry of a tensor.
  ///
  /// - Throws: `SafetensorsError` when there is none of that name.
  public func entry(_ name: String) throws -> Entry {
    guard let entry = entries[name] else { throw SafetensorsError(path: path, problem: .missing(tensor: name)) }
    return entry
  }

  /// A tensor of real numbers, whatever their width, in single precision.
  ///
  /// - Throws: `SafetensorsError` when there is none of that name or it holds integers.
  public func floats(_ name: String) throws -> [Float] {
    let entry = try entry(name)
    return try file.withBytes(entry.range) { bytes in
      switch entry.dtype {
      case .float32: numbers(bytes) { (x: UInt32) in Float(bitPattern: x) }
      case .float16: numbers(bytes) { (x: UInt16) in Float(halfBits: x) }
      case .bfloat16: numbers(bytes) { (x: UInt16) in BFloat16(bits: x).float }
      case .float64: numbers(bytes) { (x: UInt64) in Float(Double(bitPattern: x)) }
      default: throw wrongType(name, entry, wanted: "real numbers")
      }
    }
  }

  /// A tensor of 32-bit or 64-bit integers, all of which must fit into 32 bits.
  ///
  /// - Throws: `SafetensorsError` when there is none of that name, it holds other types or larger numbers.
  public func int32s(_ name: String) throws -> [Int32] {
    let entry = try entry(name)
    return try file.withBytes(entry.range) { bytes in
      switch entry.dtype {
      case .int32: return numbers(bytes) { (x: UInt32) in Int32(bitPattern: x) }
      case .int64:
        let wide = numbers(bytes) { (x: UInt64) in Int64(bitPattern: x) }
        let narrow = wide.compactMap { Int32(exactly: $0) }
        guard narrow.count == wide.count else { throw wrongType(name, entry, wanted: "integers below 2^31") }
        return narrow
      default: throw wrongType(name, entry, wanted: "integers")
      }
    }
  }

  /// The bytes of a tensor as they stand in the file.
  ///
  /// - Throws: `SafetensorsError` when there is none of that name, or what `body` throws.
  public func withBytes<Result>(_ name: String, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    try file.withBytes(try entry(name).range, body)
  }

  private func wrongType(_ name: String, _ entry: Entry, wanted: String) -> SafetensorsError {
    SafetensorsError(path: path, problem: .wrongType(tensor: name, is: entry.dtype.rawValue, wanted: wanted))
  }
}

/// Little-endian words turned into numbers. Inlined so that each conversion becomes a loop of its own.
@inline(__always)
private func numbers<Word: FixedWidthInteger & BitwiseCopyable, Number>(
  _ bytes: UnsafeRawBufferPointer, _ convert: (Word) -> Number
) -> [Number] {
  let count = bytes.count / MemoryLayout<Word>.size
  return [Number](unsafeUninitializedCapacity: count) { buffer, initialized in
    for index in 0..<count {
      let word = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Word>.size, as: Word.self)
      buffer.initializeElement(at: index, to: convert(Word(littleEndian: word)))
    }
    initialized = count
  }
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
