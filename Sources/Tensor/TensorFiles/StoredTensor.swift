/// One tensor of a file, whose bytes are read from the disk when they are asked for.
public struct StoredTensor: Sendable {
  /// The type of its numbers.
  public let dtype: StoredType
  /// Its extents.
  public let shape: Shape
  /// The distance between neighbours along each axis in numbers, or nil where the numbers stand in C order.
  let strides: [Int]?
  /// Where its bytes stand in the file, from the first number to behind the last.
  let range: Range<Int>
  private let file: MappedFile

  init(_ dtype: StoredType, _ shape: Shape, strides: [Int]? = nil, range: Range<Int>, in file: MappedFile) {
    self.dtype = dtype
    self.shape = shape
    self.strides = strides
    self.range = range
    self.file = file
  }

  /// The size of its numbers.
  public var byteCount: Int { shape.count * dtype.byteCount }

  /// Calls `body` with the bytes in C order, little-endian: those of the file, or a copy where it has another order.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try file.withBytes(range) { stored in
      guard let strides else { return try body(stored) }
      let ordered = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
      defer { ordered.deallocate() }
      StridedCopy(shape: shape.dimensions, strides: strides).run(stored, into: ordered, width: dtype.byteCount)
      return try body(UnsafeRawBufferPointer(ordered))
    }
  }

  /// The bytes in C order, little-endian.
  public func bytes() -> [UInt8] { withBytes { Array($0) } }

  /// Real numbers of any width in single precision, or nil where it holds something else.
  public func floats() -> [Float]? {
    dtype.isReal ? withBytes(dtype.realNumbers) : nil
  }

  /// Whether none of the numbers is infinite or no number at all; integers never are.
  public var isFinite: Bool {
    withBytes { bytes in
      switch dtype {
      case .float32: areFinite(bytes, exponent: 0x7f80_0000 as UInt32)
      case .float16: areFinite(bytes, exponent: 0x7c00 as UInt16)
      case .bfloat16: areFinite(bytes, exponent: 0x7f80 as UInt16)
      case .float64: areFinite(bytes, exponent: 0x7ff0_0000_0000_0000 as UInt64)
      default: true
      }
    }
  }

  /// Integers of 32 or 64 bits, or nil where it holds something else.
  public func integers() -> [Int]? {
    withBytes { bytes in
      switch dtype {
      case .int32: numbers(bytes) { (x: UInt32) in Int(Int32(bitPattern: x)) }
      case .int64: numbers(bytes) { (x: UInt64) in Int(Int64(bitPattern: x)) }
      default: nil
      }
    }
  }
}

extension StoredType {
  /// Whether these are real numbers, between whose types tensors can be converted.
  public var isReal: Bool { [.float16, .bfloat16, .float32, .float64].contains(self) }

  /// Little-endian numbers of this type, which must be real, in single precision.
  func realNumbers(_ bytes: UnsafeRawBufferPointer) -> [Float] {
    switch self {
    case .float32: numbers(bytes) { (x: UInt32) in Float(bitPattern: x) }
    case .float16: numbers(bytes) { (x: UInt16) in Float(halfBits: x) }
    case .bfloat16: numbers(bytes) { (x: UInt16) in BFloat16(bits: x).float }
    case .float64: numbers(bytes) { (x: UInt64) in Float(Double(bitPattern: x)) }
    default: fatalError("realNumbers: \(self) holds none")
    }
  }
}

/// Whether no little-endian word has all bits of `exponent`.
@inline(__always)
private func areFinite<Word: FixedWidthInteger & BitwiseCopyable>(
  _ bytes: UnsafeRawBufferPointer, exponent: Word
) -> Bool {
  var count = 0
  for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Word>.size) {
    let word = Word(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Word.self))
    count += word & exponent == exponent ? 1 : 0
  }
  return count == 0
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
