public import CPUKernels

extension Kernels {
  /// One step of AdamW; see `OptimizerKernels`.
  public static func adamW(
    _ step: AdamWStep, gradient: ConstantFloats, parameter: Floats, moment1: Floats, moment2: Floats, count: Int
  ) {
    @inline(__always) func update(_ offset: Int, _ lanes: Int) {
      let old1 = ConstantFloats(moment1).vector(at: offset, count: lanes)
      let old2 = ConstantFloats(moment2).vector(at: offset, count: lanes)
      let g = gradient.vector(at: offset, count: lanes) * step.clipping
      let m = old1 + (g - old1) * step.newShare1
      let v = old2 * step.oldShare2 + (g * g) * step.newShare2
      let direction = m / (VectorMath.squareRoot(v) / step.root2 + step.epsilon)
      let old = ConstantFloats(parameter).vector(at: offset, count: lanes)
      parameter.store(old * step.keep - step.size * direction, at: offset, count: lanes)
      moment1.store(m, at: offset, count: lanes)
      moment2.store(v, at: offset, count: lanes)
    }
    forEachVector(count, update)
  }

  /// The largest magnitude; see `OptimizerKernels`.
  public static func largestMagnitude(_ x: ConstantFloats, count: Int) -> Float {
    var (low, high) = (Vector.zero, Vector.zero)
    @inline(__always) func include(_ offset: Int, _ lanes: Int) {
      let numbers = x.vector(at: offset, count: lanes)
      (low, high) = (VectorMath.minimum(low, numbers), VectorMath.maximum(high, numbers))
    }
    forEachVector(count, include)
    return VectorMath.largest(VectorMath.maximum(high, -low))
  }
}
