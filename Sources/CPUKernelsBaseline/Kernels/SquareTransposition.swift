import CPUKernels

/// Writes the rows of a square of one vector's width as columns.
///
/// Interleaving row i with row i + n/2 moves every element whose row and column together read r₁…rₘ c₁…cₘ in binary to
/// r₂…rₘ c₁…cₘ r₁. After m = log₂ n rounds rows and columns have changed places.
@inline(__always)
func transposeSquare(_ from: ConstantFloats, _ fromStride: Int, into to: Floats, _ toStride: Int) {
  let width = Vector.scalarCount
  withUnsafeTemporaryAllocation(byteCount: 2 * width * width * 4, alignment: 64) { memory in
    let first = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let second = first + width * width
    interleaveRows(from, fromStride, into: first, width)
    #if V4
      interleaveRows(first, width, into: second, width)
      interleaveRows(second, width, into: first, width)
      interleaveRows(first, width, into: to, toStride)
    #elseif V3
      interleaveRows(first, width, into: second, width)
      interleaveRows(second, width, into: to, toStride)
    #else
      interleaveRows(first, width, into: to, toStride)
    #endif
  }
}

@inline(__always)
private func interleaveRows(_ from: ConstantFloats, _ fromStride: Int, into to: Floats, _ toStride: Int) {
  let half = Vector.scalarCount / 2
  for row in 0..<half {
    let (a, b) = ((from + row * fromStride).vector(), (from + (row + half) * fromStride).vector())
    var (low, high) = (Vector.zero, Vector.zero)
    low.evenHalf = a.lowHalf
    low.oddHalf = b.lowHalf
    high.evenHalf = a.highHalf
    high.oddHalf = b.highHalf
    (to + 2 * row * toStride).store(low)
    (to + (2 * row + 1) * toStride).store(high)
  }
}
