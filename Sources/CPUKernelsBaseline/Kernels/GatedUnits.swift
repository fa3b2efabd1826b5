public import CPUKernels

extension Kernels {
  /// The gated unit; see `ElementwiseKernels`.
  public static func geglu(_ x: ConstantFloats, rows: Int, width: Int, into out: Floats) {
    for row in 0..<rows {
      let value = x + 2 * row * width
      let (gate, to) = (value + width, out + row * width)
      forEachVectorOfLongBody(width) { offset, count in
        let activated = VectorMath.gelu(gate.vector(at: offset, count: count))
        to.store(value.vector(at: offset, count: count) * activated, at: offset, count: count)
      }
    }
  }

  /// The derivative of the gated unit; see `ElementwiseKernels`.
  public static func gegluBackward(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, width: Int, into dx: Floats, _ write: Write
  ) {
    switch write {
    case .overwrite:
      gegluBackward(x, gradient, rows, width) { at, count, dvalue, dgate in
        dx.store(dvalue, at: at, count: count)
        dx.store(dgate, at: at + width, count: count)
      }
    case .accumulate:
      gegluBackward(x, gradient, rows, width) { at, count, dvalue, dgate in
        dx.add(dvalue, at: at, count: count)
        dx.add(dgate, at: at + width, count: count)
      }
    }
  }

  /// Φ and its derivative have their exponential in common, so both halves are computed together.
  @inline(__always)
  private static func gegluBackward(
    _ x: ConstantFloats, _ gradient: ConstantFloats, _ rows: Int, _ width: Int,
    _ store: (_ offset: Int, _ count: Int, _ dvalue: Vector, _ dgate: Vector) -> Void
  ) {
    for row in 0..<rows {
      let start = 2 * row * width
      forEachVectorOfLongBody(width) { offset, count in
        let value = x.vector(at: start + offset, count: count)
        let gate = x.vector(at: start + width + offset, count: count)
        let g = gradient.vector(at: row * width + offset, count: count)
        let (density, distribution) = VectorMath.unitNormal(gate)
        let slope = VectorMath.multiplyAdd(gate, density, distribution)
        store(start + offset, count, g * (gate * distribution), g * value * slope)
      }
    }
  }
}
