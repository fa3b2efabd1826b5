import Tensor

extension OperationCatalogue {
  /// Functions of elements of one type.
  static func elementwise(_ dtype: DType) -> [OperationCase] { unaries(dtype) + binaries(dtype) + affines(dtype) }

  /// A function of every element.
  public static func unary(_ operation: UnaryOperation, _ shape: Shape, _ dtype: DType = .float32) -> OperationCase {
    OperationCase(
      .unary, "\(operation.rawValue) \(shape) \(dtype)",
      operands: [Operand(shape, dtype, operation.domain)], outputs: [Output(shape, dtype)],
      elements: shape.count,
      run: { backend, operands, outputs in backend.unary(operation, operands[0], into: outputs[0]) },
      reference: { [$0[0].map { Reference.unary(operation, $0) }] })
  }

  /// A function of pairs of elements.
  public static func binary(
    _ operation: BinaryOperation, _ a: Shape, _ b: Shape, _ dtype: DType = .float32
  ) -> OperationCase {
    let broadcast = Broadcast(a, b, operation: operation.rawValue)
    let first: Distribution = .normal(deviation: 3)
    let second: Distribution = operation == .divide ? .uniform(0.5...2) : .normal()
    return OperationCase(
      .binary, "\(operation.rawValue) \(a) \(b) \(dtype)",
      operands: [Operand(a, dtype, first), Operand(b, dtype, second)], outputs: [Output(broadcast.shape, dtype)],
      elements: broadcast.shape.count,
      run: { backend, operands, outputs in
        backend.binary(operation, operands[0], operands[1], broadcast, into: outputs[0])
      },
      reference: { [Reference.binary(operation, $0[0], $0[1], broadcast.shape)] })
  }

  /// A linear function of every element.
  public static func affine(
    _ shape: Shape, scale: Float, shift: Float, _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .affine, "\(scale) \(shift) \(shape) \(dtype)",
      operands: [Operand(shape, dtype)], outputs: [Output(shape, dtype)], elements: shape.count,
      run: { backend, operands, outputs in
        backend.affine(operands[0], scale: scale, shift: shift, into: outputs[0])
      },
      reference: { [$0[0].map { Bounded(Double(scale)) * $0 + Bounded(Double(shift)) }] })
  }

  /// A conversion to a floating-point type, or a copy.
  public static func cast(_ shape: Shape, from: DType, to: DType) -> OperationCase {
    let distribution: Distribution =
      switch from {
      case .int32: .integers(-60_000..<60_000)
      case .uint8: .integers(0..<256)
      default: .normal()
      }
    return OperationCase(
      .cast, "\(shape) \(from) to \(to)",
      operands: [Operand(shape, from, distribution)],
      outputs: [Output(shape, to, .writable(to))], elements: shape.count, isMovement: true,
      run: { backend, operands, outputs in backend.cast(operands[0], into: outputs[0]) },
      reference: { [$0[0]] })
  }

  /// Every element set to one value.
  public static func fill(_ shape: Shape, _ value: Float, _ dtype: DType = .float32) -> OperationCase {
    OperationCase(
      .fill, "\(value) \(shape) \(dtype)", operands: [], outputs: [Output(shape, dtype, .overwrite)],
      elements: shape.count,
      isMovement: true,
      run: { backend, _, outputs in backend.fill(value, into: outputs[0].tensor) },
      reference: { _ in
        [Values(shape, Array(repeating: Bounded(dtype.rounded(Double(value))), count: shape.count))]
      })
  }

  static var fills: [OperationCase] {
    DType.allCases.map { fill([3, 7], 3, $0) }
      + [fill([0], 1), fill([1], -0.1), fill([1001], 0.1, .bfloat16), fill([13], 0.1, .float16)]
  }

  static var casts: [OperationCase] {
    DType.allCases.flatMap { from in
      DType.allCases.filter { $0.isFloatingPoint || $0 == from }.map { cast([3, 43], from: from, to: $0) }
    }
      + [
        cast([0], from: .float32, to: .float16), cast([1], from: .bfloat16, to: .float32),
        cast([70_001], from: .float32, to: .bfloat16),
      ]
  }

  private static func unaries(_ dtype: DType) -> [OperationCase] {
    let shapes: [Shape] = [[1], [3, 5, 7], [41], [64], [0, 4]]
    return UnaryOperation.allCases.flatMap { operation in shapes.map { unary(operation, $0, dtype) } }
      + [unary(.silu, [70_001], dtype), unary(.gelu, [2, 4099], dtype)]
  }

  private static func binaries(_ dtype: DType) -> [OperationCase] {
    let patterns: [(Shape, Shape)] = [
      ([1], [1]), ([3, 37], [3, 37]), ([2, 5, 7, 3], [3]), ([2, 5, 7, 3], [2, 1, 1, 3]), ([3], [2, 3]),
      ([2, 1, 3], [1, 4, 1]), ([], [5]), ([9], []), ([2, 3, 4], [2, 3, 1]), ([2, 3, 4, 5], [1, 3, 1, 5]),
      ([2, 1, 4, 1], [3, 1, 5]), ([0, 3], [3]), ([19], [19]),
      ([2, 3, 8], [8]), ([2, 5, 16], [2, 1, 16]), ([2, 3, 8, 16], [1, 3, 1, 16]), ([3, 4, 16], [3, 4, 1]),
    ]
    return BinaryOperation.allCases.flatMap { operation in
      patterns.map { binary(operation, $0, $1, dtype) }
    } + [binary(.add, [70_001], [70_001], dtype), binary(.multiply, [2, 64, 64, 9], [9], dtype)]
  }

  private static func affines(_ dtype: DType) -> [OperationCase] {
    [
      affine([1], scale: 2, shift: 1, dtype), affine([3, 43], scale: -0.3, shift: 0, dtype),
      affine([129], scale: 0, shift: 0.7, dtype), affine([0], scale: 1, shift: 1, dtype),
      affine([70_001], scale: 0.18215, shift: -1, dtype), affine([33], scale: 1.7, shift: 0.1, dtype),
    ]
  }
}

extension UnaryOperation {
  /// Numbers that cover where the function is used, saturation included, without overflowing half precision.
  var domain: Distribution {
    switch self {
    case .squareRoot: .uniform(0.01...4)
    case .exp: .normal(deviation: 2)
    case .silu, .gelu, .quickGELU: .normal(deviation: 8)
    }
  }
}
