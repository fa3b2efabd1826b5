extension Tensor {
  /// Scaled dot-product attention of these queries [batch, queries, heads, headSize].
  ///
  /// - Parameters:
  ///   - keys: [batch, keys, heads, headSize].
  ///   - values: [batch, keys, heads, headSize].
  /// - Returns: the result, shaped like the queries, and log Σ exp of the scores [batch, heads, queries].
  public func attention(keys: Tensor, values: Tensor, _ spec: Attention) -> (out: Tensor, logSumExp: Tensor) {
    requireRank(4, "attention")
    requireCompanion(keys, "attention")
    requireCompanion(values, "attention")
    require(
      keys.shape == values.shape && keys.shape.replacing(1, with: shape[1]) == shape,
      "attention: queries \(shape), keys \(keys.shape) and values \(values.shape) do not fit together")
    require(
      !spec.causal || keys.shape[1] == shape[1],
      "attention: causal attention needs as many keys as queries, not \(keys.shape[1]) and \(shape[1])")
    let out = emptyLike()
    let logSumExp = emptyLike([shape[0], shape[2], shape[1]], dtype: .float32)
    backend.attention(self, keys, values, spec, into: out, logSumExp: logSumExp)
    return (out, logSumExp)
  }
}
