import Foundation

/// The digest SHA-256 of bytes that come one after another (FIPS 180-4).
public struct SHA256 {
  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  private var byteCount: UInt64 = 0
  /// The bytes that do not fill a block yet.
  private var rest: [UInt8] = []

  /// The digest of nothing so far.
  public init() {}

  /// Takes in more bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += UInt64(bytes.count)
    var start = 0
    if !rest.isEmpty {
      start = min(Self.blockSize - rest.count, bytes.count)
      rest += bytes[..<start]
      guard rest.count == Self.blockSize else { return }
      rest.withUnsafeBytes { block in Self.digest(block, into: &state) }
      rest.removeAll(keepingCapacity: true)
    }
    let whole = start + (bytes.count - start) / Self.blockSize * Self.blockSize
    Self.digest(UnsafeRawBufferPointer(rebasing: bytes[start..<whole]), into: &state)
    rest += bytes[whole...]
  }

  /// The digest of all bytes in hexadecimal.
  public func hexadecimal() -> String {
    var last = self
    var end: [UInt8] = [0x80]
    end += [UInt8](repeating: 0, count: (2 * Self.blockSize - 9 - rest.count) % Self.blockSize)
    end += withUnsafeBytes(of: (byteCount * 8).bigEndian) { Array($0) }
    end.withUnsafeBytes { last.update($0) }
    return last.state.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  /// The digest of a part of a file.
  ///
  /// - Parameter range: the bytes; all of the file if nil, and what there is of them if the file ends before.
  /// - Throws: `FileError` when the file cannot be read.
  public static func hexadecimal(_ url: URL, _ range: Range<Int>? = nil) throws(FileError) -> String {
    let file = try MappedFile(url)
    let all = 0..<file.byteCount
    let range = range?.clamped(to: all) ?? all
    var digest = SHA256()
    // In parts, so that the file is not in memory as a whole.
    for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 24) {
      file.withBytes(start..<min(start + 1 << 24, range.upperBound)) { digest.update($0) }
    }
    return digest.hexadecimal()
  }

  private static let blockSize = 64

  private static let constants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
  ]

  /// Takes whole blocks into the state.
  private static func digest(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32]) {
    var words = [UInt32](repeating: 0, count: blockSize)
    words.withUnsafeMutableBufferPointer { words in
      constants.withUnsafeBufferPointer { constants in
        state.withUnsafeMutableBufferPointer { state in
          for start in stride(from: 0, to: blocks.count, by: blockSize) {
            expand(blocks, from: start, into: words)
            mix(words, constants, into: state)
          }
        }
      }
    }
  }

  /// The message schedule of one block.
  @inline(__always)
  private static func expand(
    _ blocks: UnsafeRawBufferPointer, from start: Int, into words: UnsafeMutableBufferPointer<UInt32>
  ) {
    for index in 0..<16 {
      words[index] = UInt32(bigEndian: blocks.loadUnaligned(fromByteOffset: start + 4 * index, as: UInt32.self))
    }
    for index in 16..<blockSize {
      let (a, b) = (words[index &- 15], words[index &- 2])
      let first = rotated(a, 7) ^ rotated(a, 18) ^ (a &>> 3)
      let second = rotated(b, 17) ^ rotated(b, 19) ^ (b &>> 10)
      words[index] = words[index &- 16] &+ first &+ words[index &- 7] &+ second
    }
  }

  /// The 64 rounds of one block, with the standard's names.
  @inline(__always)
  private static func mix(
    _ words: UnsafeMutableBufferPointer<UInt32>, _ constants: UnsafeBufferPointer<UInt32>,
    into state: UnsafeMutableBufferPointer<UInt32>
  ) {
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for index in 0..<blockSize {
      let choice = (e & f) ^ (~e & g)
      let first = h &+ (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) &+ choice &+ constants[index] &+ words[index]
      let majority = (a & b) ^ (a & c) ^ (b & c)
      let second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) &+ majority
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ second)
    }
    for (index, value) in [(0, a), (1, b), (2, c), (3, d), (4, e), (5, f), (6, g), (7, h)] { state[index] &+= value }
  }

  @inline(__always)
  private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { (word &>> count) | (word &<< (32 &- count)) }
}
