import Tensor

extension Reference {
  /// softmax(scale · QKᵀ) V, and the logarithm of each row's sum of exponentials.
  ///
  /// A kernel may multiply the values by weights rounded to `dtype`, the type of its operands, since that is what the
  /// matrix units read. It may do so before or after it divides by the sum, which is at least 1.
  public static func attention(
    _ q: Values, _ k: Values, _ v: Values, _ spec: Attention, _ dtype: DType = .float32
  ) -> (out: Values, logSumExp: Values) {
    let (batch, queries, heads, size) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    var out = Values(zeros: q.shape)
    var logSumExp = Values(zeros: [batch, heads, queries])
    for n in 0..<batch {
      for h in 0..<heads {
        for i in 0..<queries {
          let scores = (0..<visibleKeys(i, k.shape[1], spec)).map { score(q, k, n, h, i, $0, spec) }
          let largest = scores.dropFirst().reduce(scores[0], Bounded.maximum)
          let exponentials = scores.map { ($0 - largest).exponential() }
          var sum = BoundedSum()
          for exponential in exponentials { sum.add(exponential) }
          logSumExp[n, h, i] = largest + sum.total.logarithm()
          for d in 0..<size {
            var weighted = BoundedSum()
            for (j, exponential) in exponentials.enumerated() {
              weighted.add((exponential / sum.total).read(as: dtype) * v[n, j, h, d])
            }
            out[n, i, h, d] = weighted.total
          }
        }
      }
    }
    return (out, logSumExp)
  }

  /// The derivatives of `attention` by queries, keys and values, from what the forward pass has kept.
  ///
  /// With P = exp(S - logSumExp) and D = Σ gradient · out: dV = Pᵀ dO, dS = P ∘ (dO Vᵀ - D), dQ = scale · dS K and
  /// dK = scale · dSᵀ Q (Dao et al., 2022). Matrix units read P and dS as `dtype`.
  static func attentionBackward(
    _ q: Values, _ k: Values, _ v: Values, out: Values, logSumExp: Values, _ gradient: Values, _ spec: Attention,
    _ dtype: DType
  ) -> [Values] {
    let (batch, queries, heads, size) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    let scale = Bounded(Double(spec.scale))
    var dq = Values(zeros: q.shape)
    var dk = Array(repeating: BoundedSum(), count: k.count)
    var dv = dk
    for n in 0..<batch {
      for h in 0..<heads {
        for i in 0..<queries {
          var projection = BoundedSum()
          for d in 0..<size { projection.add(gradient[n, i, h, d] * out[n, i, h, d]) }
          var sums = Array(repeating: BoundedSum(), count: size)
          for j in 0..<visibleKeys(i, k.shape[1], spec) {
            let probability = (score(q, k, n, h, i, j, spec) - logSumExp[n, h, i]).exponential()
            var product = BoundedSum()
            for d in 0..<size { product.add(gradient[n, i, h, d] * v[n, j, h, d]) }
            let dscore = (scale * (probability * (product.total - projection.total))).read(as: dtype)
            let weight = probability.read(as: dtype)
            for d in 0..<size {
              let place = ((n * k.shape[1] + j) * heads + h) * size + d
              sums[d].add(dscore * k[n, j, h, d])
              dk[place].add(dscore * q[n, i, h, d])
              dv[place].add(weight * gradient[n, i, h, d])
            }
          }
          for d in 0..<size { dq[n, i, h, d] = sums[d].total }
        }
      }
    }
    return [dq, Values(k.shape, dk.map(\.total)), Values(v.shape, dv.map(\.total))]
  }

  /// How many of the keys query `i` sees.
  private static func visibleKeys(_ i: Int, _ keys: Int, _ spec: Attention) -> Int {
    spec.causal ? min(i + 1, keys) : keys
  }

  /// The scaled product of one query and one key.
  private static func score(
    _ q: Values, _ k: Values, _ n: Int, _ h: Int, _ i: Int, _ j: Int, _ spec: Attention
  ) -> Bounded {
    var sum = BoundedSum()
    for d in 0..<q.shape[3] { sum.add(q[n, i, h, d] * k[n, j, h, d]) }
    return Bounded(Double(spec.scale)) * sum.total
  }
}
