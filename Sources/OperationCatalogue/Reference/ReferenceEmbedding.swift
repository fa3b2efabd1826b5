import Tensor

extension Reference {
  /// The first half of every row times gelu of the second.
  public static func geglu(_ x: Values) -> Values {
    let width = x.shape[1] / 2
    var out = Values(zeros: [x.shape[0], width])
    for row in 0..<x.shape[0] {
      for c in 0..<width { out[row, c] = x[row, c] * unary(.gelu, x[row, width + c]) }
    }
    return out
  }

  /// The derivative of `geglu`.
  static func gegluBackward(_ x: Values, _ gradient: Values) -> Values {
    let width = x.shape[1] / 2
    var dx = Values(zeros: x.shape)
    for row in 0..<x.shape[0] {
      for c in 0..<width {
        let (factor, gate) = (x[row, c], x[row, width + c])
        dx[row, c] = gradient[row, c] * unary(.gelu, gate)
        dx[row, width + c] = gradient[row, c] * factor * geluSlope(gate)
      }
    }
    return dx
  }

  /// The rows of a table that the indices name.
  public static func gather(_ table: Values, _ indices: Values) -> Values {
    let width = table.shape[1]
    var out = Values(zeros: [indices.count, width])
    for i in 0..<indices.count {
      for c in 0..<width { out[i, c] = table[Int(indices[i].value), c] }
    }
    return out.reshaped(Shape(indices.shape.dimensions + [width]))
  }

  /// Every row of the table receives the sum of the gradients of its copies.
  static func gatherBackward(_ indices: Values, _ gradient: Values, rows: Int, width: Int) -> Values {
    let gradient = gradient.reshaped([indices.count, width])
    var sums = Array(repeating: BoundedSum(), count: rows * width)
    for i in 0..<indices.count {
      for c in 0..<width { sums[Int(indices[i].value) * width + c].add(gradient[i, c]) }
    }
    return Values([rows, width], sums.map(\.total))
  }
}
