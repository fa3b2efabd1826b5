import Tensor

extension Reference {
  /// Group normalisation: (x - μ) / √(σ² + ε) · gamma + beta, and [μ, 1/√(σ² + ε)] of every group.
  public static func groupNorm(
    _ x: Values, gamma: Values, beta: Values, _ spec: GroupNormalization
  ) -> (out: Values, statistics: Values) {
    let width = x.shape[3] / spec.groups
    var out = Values(zeros: x.shape)
    var statistics = Values(zeros: [x.shape[0], spec.groups, 2])
    for n in 0..<x.shape[0] {
      for group in 0..<spec.groups {
        var members: [Bounded] = []
        forEachMember(x.shape, group, width) { y, column, c in members.append(x[n, y, column, c]) }
        let (mean, inverse) = moments(members, epsilon: spec.epsilon)
        statistics[n, group, 0] = mean
        statistics[n, group, 1] = inverse
        forEachMember(x.shape, group, width) { y, column, c in
          let normalized = (x[n, y, column, c] - mean) * inverse * gamma[c] + beta[c]
          out[n, y, column, c] = spec.silu ? unary(.silu, normalized) : normalized
        }
      }
    }
    return (out, statistics)
  }

  /// The derivatives of `groupNorm` by x, gamma and beta.
  static func groupNormBackward(
    _ x: Values, _ gradient: Values, gamma: Values, beta: Values, statistics: Values, _ spec: GroupNormalization
  ) -> [Values] {
    let width = x.shape[3] / spec.groups
    var dx = Values(zeros: x.shape)
    var dgamma = Array(repeating: BoundedSum(), count: x.shape[3])
    var dbeta = dgamma
    for n in 0..<x.shape[0] {
      for group in 0..<spec.groups {
        let (mean, inverse) = (statistics[n, group, 0], statistics[n, group, 1])
        var normalized: [Bounded] = []
        var scaled: [Bounded] = []
        forEachMember(x.shape, group, width) { y, column, c in
          let hat = (x[n, y, column, c] - mean) * inverse
          var incoming = gradient[n, y, column, c]
          if spec.silu { incoming = binary(.siluBackward, hat * gamma[c] + beta[c], incoming) }
          dgamma[c].add(incoming * hat)
          dbeta[c].add(incoming)
          normalized.append(hat)
          scaled.append(incoming * gamma[c])
        }
        var member = 0
        let inputs = normalizationBackward(normalized, scaled, inverse)
        forEachMember(x.shape, group, width) { y, column, c in
          dx[n, y, column, c] = inputs[member]
          member += 1
        }
      }
    }
    return [dx, Values(gamma.shape, dgamma.map(\.total)), Values(gamma.shape, dbeta.map(\.total))]
  }

  /// Layer normalisation of rows, and [μ, 1/√(σ² + ε)] of every row.
  public static func layerNorm(
    _ x: Values, gamma: Values, beta: Values, epsilon: Float
  ) -> (out: Values, statistics: Values) {
    var out = Values(zeros: x.shape)
    var statistics = Values(zeros: [x.shape[0], 2])
    for row in 0..<x.shape[0] {
      let (mean, inverse) = moments((0..<x.shape[1]).map { x[row, $0] }, epsilon: epsilon)
      statistics[row, 0] = mean
      statistics[row, 1] = inverse
      for c in 0..<x.shape[1] { out[row, c] = (x[row, c] - mean) * inverse * gamma[c] + beta[c] }
    }
    return (out, statistics)
  }

  /// The derivatives of `layerNorm` by x, gamma and beta.
  static func layerNormBackward(
    _ x: Values, _ gradient: Values, gamma: Values, statistics: Values
  ) -> [Values] {
    let width = x.shape[1]
    var dx = Values(zeros: x.shape)
    var dgamma = Array(repeating: BoundedSum(), count: width)
    var dbeta = dgamma
    for row in 0..<x.shape[0] {
      let normalized = (0..<width).map { (x[row, $0] - statistics[row, 0]) * statistics[row, 1] }
      for c in 0..<width {
        dgamma[c].add(gradient[row, c] * normalized[c])
        dbeta[c].add(gradient[row, c])
      }
      let scaled = (0..<width).map { gradient[row, $0] * gamma[$0] }
      for (c, value) in normalizationBackward(normalized, scaled, statistics[row, 1]).enumerated() {
        dx[row, c] = value
      }
    }
    return [dx, Values(gamma.shape, dgamma.map(\.total)), Values(gamma.shape, dbeta.map(\.total))]
  }

  /// Visits the pixels and channels of one group.
  private static func forEachMember(
    _ shape: Shape, _ group: Int, _ width: Int, _ body: (_ y: Int, _ x: Int, _ channel: Int) -> Void
  ) {
    for y in 0..<shape[1] {
      for x in 0..<shape[2] {
        for channel in group * width..<(group + 1) * width { body(y, x, channel) }
      }
    }
  }

  /// The mean and 1/√(variance + ε), the variance as the mean squared distance from the mean.
  private static func moments(_ members: [Bounded], epsilon: Float) -> (mean: Bounded, inverse: Bounded) {
    let count = Bounded(Double(members.count))
    let mean = sum(members) / count
    let variance = sum(members.map { ($0 - mean) * ($0 - mean) }) / count
    return (mean, 1.0 / (variance + Bounded(Double(epsilon))).squareRoot())
  }

  /// 1/σ · (d - mean(d) - x̂ · mean(d x̂)): the derivative of x̂ = (x - μ)/σ for incoming derivatives d.
  private static func normalizationBackward(
    _ normalized: [Bounded], _ incoming: [Bounded], _ inverse: Bounded
  ) -> [Bounded] {
    let count = Bounded(Double(normalized.count))
    let mean = sum(incoming) / count
    let projection = sum(zip(incoming, normalized).map { $0 * $1 }) / count
    return zip(incoming, normalized).map { inverse * ($0 - mean - $1 * projection) }
  }

  private static func sum(_ terms: [Bounded]) -> Bounded {
    var sum = BoundedSum()
    for term in terms { sum.add(term) }
    return sum.total
  }
}
