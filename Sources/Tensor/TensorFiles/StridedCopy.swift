/// Brings the numbers of a tensor that stand apart, or in another order, into C order.
struct StridedCopy {
  /// The extents, outermost first, none of them zero.
  let shape: [Int]
  /// The distance between neighbours along each axis, in numbers.
  let strides: [Int]

  /// Copies numbers of `width` bytes. `source` begins with the first number and reaches to the last; the caller has
  /// checked that, as `destination` holds all of them.
  func run(_ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer, width: Int) {
    switch width {
    case 1: run(source, into: destination, UInt8.self)
    case 2: run(source, into: destination, UInt16.self)
    case 4: run(source, into: destination, UInt32.self)
    default: run(source, into: destination, UInt64.self)
    }
  }

  /// Walks along rows of the innermost axis. Inlined so that each width becomes a loop of its own.
  @inline(__always)
  private func run<Word: BitwiseCopyable>(
    _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer, _ type: Word.Type
  ) {
    let width = MemoryLayout<Word>.size
    let (length, step) = (shape.last ?? 1, strides.last ?? 1)
    let rowCount = shape.dropLast().reduce(1, *)
    var position = [Int](repeating: 0, count: max(shape.count - 1, 0))
    var start = 0
    for row in 0..<rowCount {
      for column in 0..<length {
        let word = source.loadUnaligned(fromByteOffset: (start + column * step) * width, as: Word.self)
        destination.storeBytes(of: word, toByteOffset: (row * length + column) * width, as: Word.self)
      }
      // The next row: the last of the outer axes advances, and carries over to those before it.
      for axis in position.indices.reversed() {
        position[axis] += 1
        start += strides[axis]
        if position[axis] < shape[axis] { break }
        start -= strides[axis] * shape[axis]
        position[axis] = 0
      }
    }
  }
}
