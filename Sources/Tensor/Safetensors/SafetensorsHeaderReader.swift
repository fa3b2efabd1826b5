/// Reads a header's JSON in one pass.
///
/// A tree of JSON values would take many times the size of the text, which may be 100 MB. Here memory goes to names,
/// metadata and extents alone.
struct SafetensorsHeaderReader {
  /// Why the text is no header.
  struct Failure: Error {
    let reason: String
  }

  private let text: UnsafeRawBufferPointer
  private var position = 0

  private init(_ text: UnsafeRawBufferPointer) { self.text = text }

  /// The header that a text is.
  ///
  /// - Throws: `Failure` where the text is no JSON, says less or other than a header does, or says something twice.
  static func header(_ text: UnsafeRawBufferPointer) throws(Failure) -> SafetensorsHeader {
    var reader = SafetensorsHeaderReader(text)
    var header = SafetensorsHeader()
    var hasMetadata = false
    guard text.first == UInt8(ascii: "{") else { throw reader.failure("it does not begin with '{'") }
    try reader.object { reader, name throws(Failure) in
      if name == "__metadata__" {
        guard !hasMetadata else { throw reader.failure("__metadata__ is there twice") }
        header.metadata = try reader.metadata()
        hasMetadata = true
      } else {
        guard header.entries.count < SafetensorsHeader.tensorLimit else {
          throw reader.failure("there are more than \(SafetensorsHeader.tensorLimit) tensors")
        }
        let entry = try reader.entry(name)
        guard header.entries.updateValue(entry, forKey: name) == nil else {
          throw reader.failure("'\(name)' is there twice")
        }
      }
    }
    reader.skipSpace()
    guard reader.position == text.count else { throw reader.failure("something follows the header") }
    return header
  }

  // MARK: - What a header consists of

  private mutating func metadata() throws(Failure) -> [String: String] {
    var metadata: [String: String] = [:]
    try object { reader, key throws(Failure) in
      guard metadata.count < SafetensorsHeader.metadataLimit else {
        throw reader.failure("there are more than \(SafetensorsHeader.metadataLimit) entries of metadata")
      }
      guard metadata.updateValue(try reader.string(), forKey: key) == nil else {
        throw reader.failure("'\(key)' is there twice")
      }
    }
    return metadata
  }

  private mutating func entry(_ name: String) throws(Failure) -> SafetensorsHeader.Entry {
    var dtype: StoredType?
    var shape, offsets: [Int]?
    try object { reader, key throws(Failure) in
      switch key {
      case "dtype":
        let type = try reader.string()
        dtype = StoredType(rawValue: type)
        if dtype == nil { throw reader.failure("'\(name)' is of the unknown type '\(type)'") }
      case "shape": shape = try reader.integers(of: name, atMost: SafetensorsHeader.rankLimit)
      case "data_offsets": offsets = try reader.integers(of: name, atMost: 2)
      default: throw reader.failure("'\(name)' has the unknown property '\(key)'")
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2 else {
      throw failure("'\(name)' lacks its dtype, its shape or its data_offsets")
    }
    return SafetensorsHeader.Entry(dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }

  // MARK: - JSON

  /// Reads an object, each of whose values `member` reads.
  private mutating func object(
    _ member: (inout SafetensorsHeaderReader, String) throws(Failure) -> Void
  ) throws(Failure) {
    try expect("{")
    if take("}") { return }
    repeat {
      let name = try string()
      try expect(":")
      try member(&self, name)
    } while take(",")
    try expect("}")
  }

  private mutating func integers(of tensor: String, atMost limit: Int) throws(Failure) -> [Int] {
    var integers: [Int] = []
    try expect("[")
    if take("]") { return integers }
    repeat {
      guard integers.count < limit else { throw failure("'\(tensor)' has a list of more than \(limit) numbers") }
      integers.append(try integer(of: tensor))
    } while take(",")
    try expect("]")
    return integers
  }

  private mutating func integer(of tensor: String) throws(Failure) -> Int {
    skipSpace()
    var value = 0
    let start = position
    while position < text.count, case let digit = text[position] &- UInt8(ascii: "0"), digit < 10 {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(digit))
      guard !overflow && !carry else { throw failure("'\(tensor)' has a number that is too large") }
      value = sum
      position += 1
    }
    guard position > start else { throw failure("'\(tensor)' has something else than a whole number") }
    return value
  }

  private mutating func string() throws(Failure) -> String {
    try expect("\"")
    let start = position
    while position < text.count, text[position] >= 0x20 {
      switch text[position] {
      case UInt8(ascii: "\""):
        position += 1
        return try utf8(text[start..<position - 1])
      case UInt8(ascii: "\\"): return try stringWithEscapes(from: start)
      default: position += 1
      }
    }
    throw failure("a string does not end")
  }

  /// Reads on in a string that began at `start` and has come to its first escape.
  private mutating func stringWithEscapes(from start: Int) throws(Failure) -> String {
    var bytes = Array(text[start..<position])
    while position < text.count, text[position] >= 0x20 {
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return try utf8(bytes[...])
      case UInt8(ascii: "\\"): bytes.append(contentsOf: String(try escape()).utf8)
      default: bytes.append(byte)
      }
    }
    throw failure("a string does not end")
  }

  /// The character that an escape stands for, whose backslash has been read.
  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard position < text.count else { throw failure("a string does not end") }
    position += 1
    switch text[position - 1] {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try escapedCharacter()
    default: throw failure("a string has an unknown escape")
    }
  }

  /// A character by its code, or by two of UTF-16, of which `\u` has been read.
  private mutating func escapedCharacter() throws(Failure) -> Unicode.Scalar {
    let first = try codeUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if UTF16.isLeadSurrogate(first), takeNow("\\"), takeNow("u") {
      let second = try codeUnit()
      if UTF16.isTrailSurrogate(second) { return UTF16.decode(UTF16.EncodedScalar([first, second])) }
    }
    throw failure("a string has half a character")
  }

  private mutating func codeUnit() throws(Failure) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard position < text.count, let digit = Character(Unicode.Scalar(text[position])).hexDigitValue else {
        throw failure("a string has an unknown escape")
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }

  private func utf8(_ bytes: some Sequence<UInt8>) throws(Failure) -> String {
    guard let string = String(validating: bytes, as: UTF8.self) else { throw failure("a string is not UTF-8") }
    return string
  }

  // MARK: - Single bytes

  private mutating func skipSpace() {
    while position < text.count, [0x20, 0x0a, 0x0d, 0x09].contains(text[position]) { position += 1 }
  }

  /// Takes a byte, with spaces before it, if it comes next.
  private mutating func take(_ byte: Unicode.Scalar) -> Bool {
    skipSpace()
    return takeNow(byte)
  }

  private mutating func takeNow(_ byte: Unicode.Scalar) -> Bool {
    guard position < text.count, text[position] == UInt8(ascii: byte) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: Unicode.Scalar) throws(Failure) {
    guard take(byte) else { throw failure("'\(byte)' is expected") }
  }

  private func failure(_ reason: String) -> Failure { Failure(reason: "\(reason), at byte \(position)") }
}
