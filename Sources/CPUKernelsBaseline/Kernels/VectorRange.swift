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

/// `forEachVector` for a body with elementary functions. Only whole vectors are treated in its loop: of two copies of a
/// long body in one place the compiler would make a function, and hand it vectors in pieces.
@inline(__always)
func forEachVectorOfLongBody(_ count: Int, _ body: (_ offset: Int, _ count: Int) -> Void) {
  let width = Vector.scalarCount
  var offset = 0
  while offset + width <= count {
    body(offset, width)
    offset += width
  }
  if offset < count { callElsewhere(body, offset, count - offset) }
}

@inline(never)
private func callElsewhere(_ body: (Int, Int) -> Void, _ offset: Int, _ count: Int) { body(offset, count) }

/// Stores `value`, or adds it, at every vector of a range.
@inline(__always)
func storeVectors(_ count: Int, into out: Floats, _ write: Write, _ value: (_ offset: Int, _ count: Int) -> Vector) {
  switch write {
  case .overwrite: forEachVector(count) { out.store(value($0, $1), at: $0, count: $1) }
  case .accumulate: forEachVector(count) { out.add(value($0, $1), at: $0, count: $1) }
  }
}

extension Floats {
  /// Adds the first `count` numbers of a vector to those from `offset` on.
  @inline(__always)
  func add(_ vector: Vector, at offset: Int, count: Int) {
    store(ConstantFloats(self).vector(at: offset, count: count) + vector, at: offset, count: count)
  }
}
