/// Damages files in ways that have broken readers before.
struct Mutator {
  private var generator: SplitMix
  /// Larger inputs would be slower to read and no more telling.
  private let byteLimit = 1 << 17

  init(_ generator: SplitMix) { self.generator = generator }

  mutating func below(_ bound: Int) -> Int { generator.below(bound) }

  mutating func choice<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

  /// Damages a file once or a few times.
  mutating func damage(_ bytes: [UInt8], _ other: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0...below(4) { damageOnce(&bytes, other) }
    return Array(bytes.prefix(byteLimit))
  }

  private mutating func damageOnce(_ bytes: inout [UInt8], _ other: [UInt8]) {
    let place = below(bytes.count + 1)
    let end = place + below(min(bytes.count - place, below(2) == 0 ? 16 : 4096) + 1)
    switch below(12) {
    case 0, 1: flipBits(&bytes)
    case 2: bytes.indices.contains(place) ? bytes[place] = UInt8(truncatingIfNeeded: generator.next()) : ()
    case 3, 4: lie(&bytes, at: place)
    case 5: bytes.removeSubrange(place...)
    case 6: bytes.removeSubrange(place..<end)
    case 7:
      bytes.insert(contentsOf: (0..<below(64)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }, at: place)
    case 8: bytes.insert(contentsOf: piece(of: other), at: place)
    case 9: bytes.insert(contentsOf: bytes[place..<end], at: below(bytes.count + 1))
    case 10: nest(&bytes, bytes[place..<min(end, place + 16)], at: place)
    default: exchangeDigits(&bytes)
    }
  }

  private mutating func flipBits(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return }
    for _ in 0...below(8) { bytes[below(bytes.count)] ^= 1 << UInt8(below(8)) }
  }

  /// Replaces a number of 1, 2, 4 or 8 bytes by one that lies about a length.
  private mutating func lie(_ bytes: inout [UInt8], at place: Int) {
    let width = 1 << below(4)
    guard place + width <= bytes.count else { return }
    let size = UInt64(bytes.count)
    let lies: [UInt64] = [
      0, 1, 2, size - 1, size, size + 1, size * 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000,
      0xffff_fffe, 0xffff_ffff, 1 << 32, 1 << 40, 1 << 62, .max >> 1, .max - 7, .max,
    ]
    let lie = choice(lies)
    for index in 0..<width { bytes[place + index] = UInt8(truncatingIfNeeded: lie >> (8 * index)) }
  }

  private mutating func piece(of other: [UInt8]) -> ArraySlice<UInt8> {
    let start = below(other.count)
    return other[start..<start + below(min(other.count - start, 4096) + 1)]
  }

  /// Repeats a few bytes thousands of times, which nests brackets, lists and tuples.
  private mutating func nest(_ bytes: inout [UInt8], _ piece: ArraySlice<UInt8>, at place: Int) {
    let nested = below(2) == 0 ? piece : ArraySlice(Array(choice(["[", "{\"a\":", "(", "]t", "\u{85}"]).utf8))
    bytes.insert(contentsOf: Array(repeating: Array(nested), count: below(6000)).joined(), at: place)
  }

  /// Replaces a number that is written in digits.
  private mutating func exchangeDigits(_ bytes: inout [UInt8]) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let start = below(bytes.count)
    guard let first = bytes[start...].firstIndex(where: digits.contains) else { return }
    let last = bytes[first...].firstIndex { !digits.contains($0) } ?? bytes.count
    let numbers = [
      "0", "-1", "1e999", "9223372036854775807", "9223372036854775808", "1.5", "4294967296", "1e-400", "null",
    ]
    bytes.replaceSubrange(first..<last, with: Array(choice(numbers).utf8))
  }
}
