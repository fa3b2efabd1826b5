import Tensor

extension OperationCatalogue {
  /// Sums and losses of one type.
  static func reductions(_ dtype: DType) -> [OperationCase] { sums(dtype) + losses(dtype) }

  /// The sum over the middle of three axes.
  public static func sum(
    _ outer: Int, _ count: Int, _ inner: Int, scale: Float = 1, _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .sum, "[\(outer), \(count), \(inner)] times \(scale) \(dtype)",
      operands: [Operand([outer, count, inner], dtype)], outputs: [Output([outer, inner], dtype)],
      elements: outer * count * inner,
      run: { backend, operands, outputs in
        backend.sum(operands[0], outer: outer, count: count, inner: inner, scale: scale, into: outputs[0])
      },
      reference: { [Reference.sum($0[0], scale: Bounded(Double(scale)))] })
  }

  /// The mean squared difference of every sample.
  public static func meanSquaredError(_ samples: Int, _ count: Int, _ dtype: DType = .float32) -> OperationCase {
    let shape: Shape = [samples, count]
    return OperationCase(
      .meanSquaredError, "\(shape) \(dtype)",
      operands: [Operand(shape, dtype), Operand(shape, dtype)], outputs: [Output([samples])], elements: shape.count,
      run: { backend, operands, outputs in backend.meanSquaredError(operands[0], operands[1], into: outputs[0]) },
      reference: { [Reference.meanSquaredError($0[0], $0[1])] })
  }

  /// The derivative of the mean squared difference.
  public static func meanSquaredErrorBackward(
    _ samples: Int, _ count: Int, _ dtype: DType = .float32
  ) -> OperationCase {
    let shape: Shape = [samples, count]
    return OperationCase(
      .meanSquaredErrorBackward, "\(shape) \(dtype)",
      operands: [Operand(shape, dtype), Operand(shape, dtype), Operand([samples])], outputs: [Output(shape, dtype)],
      elements: shape.count,
      run: { backend, operands, outputs in
        backend.meanSquaredErrorBackward(operands[0], operands[1], operands[2], into: outputs[0])
      },
      reference: { [Reference.meanSquaredErrorBackward($0[0], $0[1], $0[2])] })
  }

  private static func sums(_ dtype: DType) -> [OperationCase] {
    let extents = [
      (1, 1, 1), (1, 1000, 1), (1, 7, 1), (4, 9, 5), (1, 33, 320), (2, 1, 3), (1, 4099, 3), (0, 3, 2), (2, 0, 3),
      (3, 41, 7), (1, 1000, 320), (2, 600, 64), (1, 300, 8),
    ]
    return extents.map { sum($0, $1, $2, dtype) } + [
      sum(3, 7, 1, scale: -0.5, dtype), sum(2, 64, 17, scale: 1 / 64, dtype),
      sum(1, 70_001, 1, scale: 1 / 70_001, dtype), sum(1, 999, 1, scale: 0.01, dtype),
    ]
  }

  private static func losses(_ dtype: DType) -> [OperationCase] {
    let shapes = [(1, 1), (1, 77), (3, 64), (2, 4099), (1, 70_001), (2, 20_000), (2, 37), (0, 5)]
    return shapes.flatMap {
      [meanSquaredError($0, $1, dtype), meanSquaredErrorBackward($0, $1, dtype)]
    }
  }
}
