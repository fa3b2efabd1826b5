import CPUKernels

/// Visits `count` numbers in vectors: the offset of each, and how many numbers it has. The last may be shorter.
@inline(__always)
func forEachVector(_ count: Int, _ body: (_ offset: Int, _ count: Int) -> Void) {
  let width = Vector.scalarCount
  var offset = 0
  while offset + width <= count {
    body(offset, width)
    offset += width
  }
  if offset < count { body(offset, count - offset) }
}

extension Floats {
  /// Adds the first `count` numbers of a vector to those from `offset` on.
  @inline(__always)
  func add(_ vector: Vector, at offset: Int, count: Int) {
    store(ConstantFloats(self).vector(at: offset, count: count) + vector, at: offset, count: count)
  }
}
