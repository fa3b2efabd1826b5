/// Up to eight neighbouring elements, from `offset` on; fewer than eight only at the end of a row.
struct Slot {
  let offset: Int
  let count: Int

  /// The same elements of a later row.
  @inline(__always)
  static func + (slot: Slot, distance: Int) -> Slot { Slot(offset: slot.offset &+ distance, count: slot.count) }

  /// One value for every element; lanes beyond the count are zero.
  @inline(__always)
  func lanes(_ value: Float) -> Lanes {
    if count == 8 { return Lanes(repeating: value) }
    var lanes = Lanes.zero
    for lane in 0..<count { lanes[lane] = value }
    return lanes
  }
}

extension Floats {
  /// The elements of a slot; lanes beyond its count read as zero and are not written.
  subscript(slot: Slot) -> Lanes {
    @inline(__always) get {
      let start = self + slot.offset
      if slot.count == 8 { return UnsafeRawPointer(start).loadUnaligned(as: Lanes.self) }
      var lanes = Lanes.zero
      for lane in 0..<slot.count { lanes[lane] = start[lane] }
      return lanes
    }
    @inline(__always) nonmutating set {
      let start = self + slot.offset
      if slot.count == 8 {
        UnsafeMutableRawPointer(start).storeBytes(of: newValue, as: Lanes.self)
      } else {
        for lane in 0..<slot.count { start[lane] = newValue[lane] }
      }
    }
  }
}

/// Visits a range in slots of eight elements and a shorter rest.
@inline(__always)
func forEachSlot(_ range: Range<Int>, _ body: (Slot) -> Void) {
  var offset = range.lowerBound
  while offset &+ 8 <= range.upperBound {
    body(Slot(offset: offset, count: 8))
    offset &+= 8
  }
  if offset < range.upperBound { body(Slot(offset: offset, count: range.upperBound &- offset)) }
}

/// Stores `value`, or adds it, at every slot of a range.
@inline(__always)
func store(_ range: Range<Int>, into out: Floats, _ write: Write, _ value: (Slot) -> Lanes) {
  switch write {
  case .overwrite: forEachSlot(range) { out[$0] = value($0) }
  case .accumulate: forEachSlot(range) { out[$0] = out[$0] + value($0) }
  }
}

/// Sums `term` over all elements of a range, with an error that hardly grows with the range.
///
/// Each lane adds up at most 64 terms before the total goes on in Float64. `term` must be zero where its operands are.
@inline(__always)
func laneSum(_ range: Range<Int>, _ term: (Slot) -> Lanes) -> Double {
  var total = 0.0
  var start = range.lowerBound
  while start < range.upperBound {
    let end = min(start &+ 2048, range.upperBound)
    var (a, b, c, d) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    while start &+ 32 <= end {
      a += term(Slot(offset: start, count: 8))
      b += term(Slot(offset: start &+ 8, count: 8))
      c += term(Slot(offset: start &+ 16, count: 8))
      d += term(Slot(offset: start &+ 24, count: 8))
      start &+= 32
    }
    forEachSlot(start..<end) { a += term($0) }
    total += horizontalSum((a + b) + (c + d))
    start = end
  }
  return total
}

/// The sum of eight lanes.
@inline(__always)
func horizontalSum(_ lanes: Lanes) -> Double {
  let four = SIMD4<Double>(lanes.lowHalf) + SIMD4<Double>(lanes.highHalf)
  return (four[0] + four[2]) + (four[1] + four[3])
}

/// The largest of eight lanes.
@inline(__always)
func horizontalMaximum(_ lanes: Lanes) -> Float {
  let four = lanes.lowHalf.replacing(with: lanes.highHalf, where: lanes.lowHalf .< lanes.highHalf)
  return max(max(four[0], four[1]), max(four[2], four[3]))
}
