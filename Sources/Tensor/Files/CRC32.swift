/// The checksum of zip archives: the cyclic redundancy check of ISO 3309, 32 bits wide.
struct CRC32 {
  private var register: UInt32 = .max

  /// The checksum of all bytes so far.
  var value: UInt32 { ~register }

  /// How many bytes are looked up at once, each in a table of its own, so that no lookup waits for another.
  private static let step = 16

  /// For each distance from the end of such a step, what a byte there contributes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: step * 256)
    for byte in 0..<256 {
      tables[byte] = (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? 0xedb8_8320 ^ (crc >> 1) : crc >> 1 }
    }
    for index in 256..<step * 256 {
      let nearer = tables[index - 256]
      tables[index] = nearer >> 8 ^ tables[Int(nearer & 0xff)]
    }
    return tables
  }()

  /// Adds bytes.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    Self.tables.withUnsafeBufferPointer { tables in
      var crc = register
      var position = 0
      while position + Self.step <= bytes.count {
        var low = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(crc)
        var high = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self))
        crc = 0
        for index in 0..<8 {
          crc ^= tables[(15 - index) << 8 | Int(low & 0xff)] ^ tables[(7 - index) << 8 | Int(high & 0xff)]
          low >>= 8
          high >>= 8
        }
        position += Self.step
      }
      for byte in bytes[position...] { crc = crc >> 8 ^ tables[Int((crc ^ UInt32(byte)) & 0xff)] }
      register = crc
    }
  }
}
