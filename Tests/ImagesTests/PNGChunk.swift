/// A chunk of a PNG file, seen by a reader that shares no code with the library.
struct PNGChunk {
  let type: String
  let data: [UInt8]

  /// The chunks of a well-formed file.
  static func all(in file: [UInt8]) -> [PNGChunk] {
    ranges(in: file).map { range in
      PNGChunk(
        type: String(decoding: file[range.lowerBound..<range.lowerBound + 4], as: UTF8.self),
        data: Array(file[(range.lowerBound + 4)..<range.upperBound]))
    }
  }

  /// Gives every chunk that is whole the checksum of its present content.
  static func repairChecksums(_ file: inout [UInt8]) {
    for range in ranges(in: file) {
      let checksum = crc(file[range])
      for byte in 0..<4 { file[range.upperBound + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * byte)) }
    }
  }

  /// Where type and data of each chunk stand.
  private static func ranges(in file: [UInt8]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var position = 8
    while position + 12 <= file.count {
      let length = file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      guard position + 12 + length <= file.count else { break }
      ranges.append(position + 4..<position + 8 + length)
      position += 12 + length
    }
    return ranges
  }

  /// CRC-32 as in the PNG specification, annex D.
  private static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? 0xEDB8_8320 ^ (sum >> 1) : sum >> 1 }
    }
  }
}
