extension Tensor {
  /// Group normalisation (Wu and He, 2018) of [batch, height, width, channels].
  ///
  /// - Returns: the normalised tensor and the statistics [batch, groups, 2] that the derivative needs.
  public func groupNorm(gamma: Tensor, beta: Tensor, _ spec: GroupNormalization) -> (out: Tensor, statistics: Tensor) {
    requireRank(4, "groupNorm")
    require(
      shape[3] % spec.groups == 0, "groupNorm: the channels of \(shape) do not divide into \(spec.groups) groups")
    requireScaleAndShift(gamma, beta, "groupNorm")
    let out = emptyLike()
    let statistics = emptyLike([shape[0], spec.groups, 2], dtype: .float32)
    backend.groupNorm(self, gamma: gamma, beta: beta, spec, into: out, statistics: statistics)
    return (out, statistics)
  }

  /// Layer normalisation (Ba et al., 2016) of the last axis.
  ///
  /// - Returns: the normalised tensor and the statistics [rows, 2] that the derivative needs.
  public func layerNorm(gamma: Tensor, beta: Tensor, epsilon: Float) -> (out: Tensor, statistics: Tensor) {
    require(shape.rank > 0, "layerNorm: needs an axis")
    requireScaleAndShift(gamma, beta, "layerNorm")
    let out = emptyLike()
    let statistics = emptyLike([count / max(shape[-1], 1), 2], dtype: .float32)
    backend.layerNorm(self, gamma: gamma, beta: beta, epsilon: epsilon, into: out, statistics: statistics)
    return (out, statistics)
  }

  private func requireScaleAndShift(_ gamma: Tensor, _ beta: Tensor, _ operation: String) {
    requireFloatingPoint(operation)
    requireCompanion(gamma, operation)
    requireCompanion(beta, operation)
    require(
      gamma.shape == [shape[-1]] && beta.shape == [shape[-1]],
      "\(operation): gamma \(gamma.shape) and beta \(beta.shape) do not fit input \(shape)")
  }
}
