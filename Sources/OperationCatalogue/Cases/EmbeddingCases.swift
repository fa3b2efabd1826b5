import Tensor

extension OperationCatalogue {
  /// Gated activations and look-ups in one type.
  static func embeddings(_ dtype: DType) -> [OperationCase] { gatedUnits(dtype) + lookups(dtype) }

  /// The gated activation of [rows, 2 · width].
  public static func geglu(_ rows: Int, _ width: Int, _ dtype: DType = .float32) -> OperationCase {
    OperationCase(
      .geglu, "[\(rows), 2 x \(width)] \(dtype)",
      operands: [Operand([rows, 2 * width], dtype, .normal(deviation: 3))],
      outputs: [Output([rows, width], dtype, .overwrite)], elements: rows * width,
      run: { backend, operands, outputs in backend.geglu(operands[0], into: outputs[0].tensor) },
      reference: { [Reference.geglu($0[0])] })
  }

  /// The derivative of the gated activation.
  public static func gegluBackward(_ rows: Int, _ width: Int, _ dtype: DType = .float32) -> OperationCase {
    OperationCase(
      .gegluBackward, "[\(rows), 2 x \(width)] \(dtype)",
      operands: [Operand([rows, 2 * width], dtype, .normal(deviation: 3)), Operand([rows, width], dtype)],
      outputs: [Output([rows, 2 * width], dtype)], elements: rows * width,
      run: { backend, operands, outputs in backend.gegluBackward(operands[0], operands[1], into: outputs[0]) },
      reference: { [Reference.gegluBackward($0[0], $0[1])] })
  }

  /// A look-up of `indices` random rows, which repeat where there are more of them than rows.
  public static func gather(
    rows: Int, width: Int, indices: Shape, _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .gather, "\(indices) of [\(rows), \(width)] \(dtype)",
      operands: [Operand([rows, width], dtype, .numbers(dtype)), Operand(indices, .int32, .integers(0..<rows))],
      outputs: [Output(Shape(indices.dimensions + [width]), dtype, .overwrite)], elements: indices.count * width,
      isMovement: true,
      run: { backend, operands, outputs in backend.gather(operands[0], operands[1], into: outputs[0].tensor) },
      reference: { [Reference.gather($0[0], $0[1])] })
  }

  /// The derivative of a look-up by its table.
  public static func gatherBackward(
    rows: Int, width: Int, indices: Shape, _ dtype: DType = .float32
  ) -> OperationCase {
    let picked = Shape(indices.dimensions + [width])
    return OperationCase(
      .gatherBackward, "\(indices) of [\(rows), \(width)] \(dtype)",
      operands: [Operand(indices, .int32, .integers(0..<rows)), Operand(picked, dtype)],
      outputs: [Output([rows, width], dtype)], elements: picked.count,
      run: { backend, operands, outputs in backend.gatherBackward(operands[0], operands[1], into: outputs[0]) },
      reference: { [Reference.gatherBackward($0[0], $0[1], rows: rows, width: width)] })
  }

  private static func gatedUnits(_ dtype: DType) -> [OperationCase] {
    let extents = [(1, 1), (3, 5), (7, 13), (2, 64), (31, 1281), (3, 11), (0, 4)]
    return extents.flatMap { [geglu($0, $1, dtype), gegluBackward($0, $1, dtype)] }
  }

  private static func lookups(_ dtype: DType) -> [OperationCase] {
    let extents: [(Int, Int, Shape)] = [
      (1, 1, [1]), (5, 7, [3]), (4, 16, [2, 13]), (100, 3, [7]), (3, 33, []), (2, 5, [200]), (3, 4, [0]),
      (9, 64, [21]),
    ]
    return extents.flatMap {
      [gather(rows: $0, width: $1, indices: $2, dtype), gatherBackward(rows: $0, width: $1, indices: $2, dtype)]
    }
  }
}
