extension TensorItem {
  /// How many numbers are converted at a time.
  private static let chunk = 1 << 20

  /// The same numbers as 32-bit or 16-bit floating point, rounded to the nearest, ties to even, as PyTorch does.
  ///
  /// Integers and truth values stay what they are: indices would not survive.
  public func converted(to dtype: DType) -> TensorItem {
    require([.float32, .float16, .bfloat16].contains(dtype), "converted: \(dtype) holds no real numbers")
    let wanted = StoredType(dtype)
    guard self.dtype.isReal && self.dtype != wanted else { return self }
    return TensorItem(name, shape, wanted) { append in
      try readFloats { numbers in
        switch dtype {
        case .float16: try Self.words(numbers) { $0.halfBits.littleEndian }.withUnsafeBytes(append)
        case .bfloat16: try Self.words(numbers) { BFloat16($0).bits.littleEndian }.withUnsafeBytes(append)
        default: try Self.words(numbers) { $0.bitPattern.littleEndian }.withUnsafeBytes(append)
        }
      }
    }
  }

  /// Numbers turned into words. Inlined so that each conversion becomes a loop of its own, in vectors.
  @inline(__always)
  private static func words<Word: FixedWidthInteger & BitwiseCopyable>(
    _ numbers: [Float], _ word: (Float) -> Word
  ) -> [Word] {
    [Word](unsafeUninitializedCapacity: numbers.count) { words, count in
      for index in numbers.indices { words.initializeElement(at: index, to: word(numbers[index])) }
      count = numbers.count
    }
  }

  /// All numbers in single precision. The type must be one of real numbers.
  ///
  /// - Throws: what making the numbers throws.
  public func floats() throws -> [Float] {
    var all: [Float] = []
    all.reserveCapacity(shape.count)
    try readFloats { all.append(contentsOf: $0) }
    return all
  }

  /// Hands out the numbers in single precision, some at a time.
  private func readFloats(_ body: ([Float]) throws -> Void) throws {
    let size = dtype.byteCount
    try write { bytes in
      for start in stride(from: 0, to: bytes.count, by: Self.chunk * size) {
        let end = min(start + Self.chunk * size, bytes.count)
        try body(dtype.realNumbers(UnsafeRawBufferPointer(rebasing: bytes[start..<end])))
      }
    }
  }
}
