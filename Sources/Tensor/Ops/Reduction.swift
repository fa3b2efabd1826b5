extension Tensor {
  /// The sum of all elements times `scale`, as a scalar.
  public func sum(scale: Float = 1) -> Tensor {
    requireFloatingPoint("sum")
    let out = emptyLike([])
    backend.sum(self, outer: 1, count: count, inner: 1, scale: scale, into: .overwrite(out))
    return out
  }

  /// The mean of (self - target)² over everything but the first axis: one Float32 for each sample.
  public func meanSquaredError(_ target: Tensor) -> Tensor {
    requireFloatingPoint("meanSquaredError")
    requireCompanion(target, "meanSquaredError")
    require(
      shape == target.shape && shape.rank > 0, "meanSquaredError: \(shape) does not match the target's \(target.shape)")
    let out = emptyLike([shape[0]], dtype: .float32)
    backend.meanSquaredError(self, target, into: .overwrite(out))
    return out
  }

  /// Σ x² as one Float32.
  public func sumOfSquares() -> Tensor {
    requireFloatingPoint("sumOfSquares")
    let out = emptyLike([], dtype: .float32)
    backend.sumOfSquares(self, into: .overwrite(out))
    return out
  }
}
