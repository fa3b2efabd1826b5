extension CPUBackend {
  /// The number of elements one thread takes at a time: large against the cost of sharing, small against a cache.
  static var chunk: Int { 16_384 }

  /// How many rows of `columns` elements make a chunk.
  static func rowsPerChunk(_ columns: Int) -> Int { max(chunk / max(columns, 1), 1) }

  /// Calls `body` for consecutive ranges of `size` that make up `0..<count`, in parallel.
  ///
  /// The ranges depend on `count` and `size` alone, so that results do not depend on the number of threads.
  @inline(__always)
  func forEachChunk(_ count: Int, of size: Int = CPUBackend.chunk, _ body: (Range<Int>) -> Void) {
    if count <= size {
      if count > 0 { body(0..<count) }
    } else {
      threads.parallelFor((count + size - 1) / size) { body($0 * size..<min(($0 + 1) * size, count)) }
    }
  }

  /// Calls `body` for consecutive ranges of about the same length that make up `0..<count` rows, in parallel where
  /// there are more than 32,768 elements: some ten microseconds of reading and writing.
  @inline(__always)
  func forEachShare(_ count: Int, columns: Int = 1, _ body: (Range<Int>) -> Void) {
    let shares = min((count * columns + 32_767) / 32_768, count)
    if shares > 1 {
      // Whole cache lines of single elements.
      let size = (count + shares - 1) / shares
      forEachChunk(count, of: columns == 1 ? (size + 15) & ~15 : size, body)
    } else if count > 0 {
      body(0..<count)
    }
  }
}
