extension Variable {
  /// Scaled dot-product attention of these queries [batch, queries, heads, headSize] (Vaswani et al., 2017).
  ///
  /// The derivative recomputes the scores from the kept row sums (Dao et al., 2022), so no score matrix is stored.
  ///
  /// - Parameters:
  ///   - keys: [batch, keys, heads, headSize].
  ///   - values: [batch, keys, heads, headSize].
  public func attention(keys: Variable, values: Variable, _ spec: Attention) -> Variable {
    let (q, k, v) = (value, keys.value, values.value)
    let (out, logSumExp) = q.attention(keys: k, values: v, spec)
    return .jointOperation(out, inputs: [self, keys, values]) { g, destinations in
      q.backend.attentionBackward(
        q, k, v, out: out, logSumExp: logSumExp, g, spec,
        dq: destinations[0], dk: destinations[1], dv: destinations[2])
    }
  }
}
