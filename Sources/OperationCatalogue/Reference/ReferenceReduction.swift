import Tensor

extension Reference {
  /// The scaled sum over the middle of three axes.
  public static func sum(_ x: Values, scale: Bounded) -> Values {
    var out = Values(zeros: [x.shape[0], x.shape[2]])
    for o in 0..<x.shape[0] {
      for i in 0..<x.shape[2] {
        var sum = BoundedSum()
        for j in 0..<x.shape[1] { sum.add(x[o, j, i]) }
        out[o, i] = scale * sum.total
      }
    }
    return out
  }

  /// The mean of (a - b)² of every row.
  public static func meanSquaredError(_ a: Values, _ b: Values) -> Values {
    let (rows, count) = (a.shape[0], a.shape[1])
    var out = Values(zeros: [rows])
    for row in 0..<rows {
      var sum = BoundedSum()
      for i in 0..<count { sum.add((a[row, i] - b[row, i]) * (a[row, i] - b[row, i])) }
      out[row] = sum.total / Bounded(Double(count))
    }
    return out
  }

  /// 2 (a - b) · gradient / count.
  static func meanSquaredErrorBackward(_ a: Values, _ b: Values, _ gradient: Values) -> Values {
    let (rows, count) = (a.shape[0], a.shape[1])
    var out = Values(zeros: a.shape)
    for row in 0..<rows {
      for i in 0..<count {
        out[row, i] = 2.0 * (a[row, i] - b[row, i]) * gradient[row] / Bounded(Double(count))
      }
    }
    return out
  }
}
