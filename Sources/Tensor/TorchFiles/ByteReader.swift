/// Reads bytes one after another and never beyond their end.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  /// The place of the next byte.
  private(set) var position: Int

  /// What is thrown where the bytes end too early.
  struct EndOfBytes: Error {}

  init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
    require(position >= 0 && position <= bytes.count, "ByteReader: \(position) is outside \(bytes.count) bytes")
    self.bytes = bytes
    self.position = position
  }

  /// The number of bytes that are left.
  var remaining: Int { bytes.count - position }

  /// The next byte.
  mutating func byte() throws(EndOfBytes) -> UInt8 {
    guard position < bytes.count else { throw EndOfBytes() }
    defer { position += 1 }
    return bytes[position]
  }

  /// The next `count` bytes, which stay where they are.
  mutating func take(_ count: Int) throws(EndOfBytes) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw EndOfBytes() }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// A little-endian integer.
  mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ type: Integer.Type
  ) throws(EndOfBytes) -> Integer {
    Integer(littleEndian: try take(MemoryLayout<Integer>.size).loadUnaligned(as: type))
  }

  /// A little-endian unsigned integer that counts bytes or items.
  mutating func count<Integer: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: Integer.Type
  ) throws(EndOfBytes) -> Int {
    // What does not fit into an Int reaches beyond the end of any file.
    guard let count = Int(exactly: try integer(type)) else { throw EndOfBytes() }
    return count
  }

  /// The bytes up to the next line feed, which is skipped.
  mutating func line() throws(EndOfBytes) -> UnsafeRawBufferPointer {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw EndOfBytes() }
    defer { position = end + 1 }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<end])
  }
}
