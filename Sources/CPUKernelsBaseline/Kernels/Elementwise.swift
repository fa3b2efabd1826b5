public import CPUKernels

extension Kernels {
  /// A function of every number; see `ElementwiseKernels`.
  public static func unary(
    _ operation: UnaryOperation, _ x: ConstantFloats, count: Int, into out: Floats, _ write: Write
  ) {
    switch operation {
    case .squareRoot: map(x, count, out, write) { VectorMath.squareRoot($0) }
    case .exp: map(x, count, out, write) { VectorMath.exp($0) }
    case .silu: map(x, count, out, write) { VectorMath.silu($0) }
    case .gelu: map(x, count, out, write) { VectorMath.gelu($0) }
    case .quickGELU: map(x, count, out, write) { VectorMath.silu($0, 1.702) }
    }
  }

  /// A linear function of every number; see `ElementwiseKernels`.
  public static func affine(
    _ x: ConstantFloats, scale: Float, shift: Float, count: Int, into out: Floats, _ write: Write
  ) {
    map(x, count, out, write) { $0 * scale + Vector(repeating: shift) }
  }

  /// One loop for each function: the closure is inlined, so that the function is chosen outside the loop.
  @inline(__always)
  private static func map(
    _ x: ConstantFloats, _ count: Int, _ out: Floats, _ write: Write, _ function: (Vector) -> Vector
  ) {
    storeVectors(count, into: out, write) { function(x.vector(at: $0, count: $1)) }
  }

  /// A function of pairs of numbers; see `ElementwiseKernels`.
  public static func binary(
    _ operation: BinaryOperation, _ a: RowOperand, _ b: RowOperand, rows: Int, columns: Int, into out: Floats,
    _ write: Write
  ) {
    let result = RowResult(rows: rows, columns: columns, start: out, write: write)
    switch operation {
    case .add: zip(a, b, result) { $0 + $1 }
    case .subtract: zip(a, b, result) { $0 - $1 }
    case .multiply: zip(a, b, result) { $0 * $1 }
    case .divide: zip(a, b, result) { $0 / $1 }
    case .minimum: zip(a, b, result) { VectorMath.minimum($0, $1) }
    case .maximum: zip(a, b, result) { VectorMath.maximum($0, $1) }
    case .siluBackward: zip(a, b, result) { VectorMath.siluDerivative($0) * $1 }
    case .geluBackward: zip(a, b, result) { VectorMath.geluDerivative($0) * $1 }
    case .quickGELUBackward: zip(a, b, result) { VectorMath.siluDerivative($0, 1.702) * $1 }
    }
  }

  @inline(__always)
  private static func zip(
    _ a: RowOperand, _ b: RowOperand, _ result: RowResult, _ function: (Vector, Vector) -> Vector
  ) {
    if a.isConstant {
      zip(a, ConstantRow.self, b, VariableRow.self, result, function)
    } else if b.isConstant {
      zip(a, VariableRow.self, b, ConstantRow.self, result, function)
    } else {
      zip(a, VariableRow.self, b, VariableRow.self, result, function)
    }
  }

  @inline(__always)
  private static func zip<A: Row, B: Row>(
    _ a: RowOperand, _: A.Type, _ b: RowOperand, _: B.Type, _ result: RowResult,
    _ function: (Vector, Vector) -> Vector
  ) {
    for row in 0..<result.rows {
      let (rowA, rowB) = (A(a.start + row * a.stride), B(b.start + row * b.stride))
      storeVectors(result.columns, into: result.start + row * result.columns, result.write) { offset, count in
        function(rowA.vector(at: offset, count: count), rowB.vector(at: offset, count: count))
      }
    }
  }
}

/// Rows that follow each other.
private struct RowResult {
  let rows: Int
  let columns: Int
  let start: Floats
  let write: Write
}

/// How a row of an operand is read. Types, since the choice is made outside the loops.
private protocol Row {
  init(_ start: ConstantFloats)
  func vector(at offset: Int, count: Int) -> Vector
}

private struct VariableRow: Row {
  let start: ConstantFloats

  @inline(__always)
  init(_ start: ConstantFloats) { self.start = start }

  @inline(__always)
  func vector(at offset: Int, count: Int) -> Vector { start.vector(at: offset, count: count) }
}

private struct ConstantRow: Row {
  let value: Vector

  @inline(__always)
  init(_ start: ConstantFloats) { value = Vector(repeating: start[0]) }

  @inline(__always)
  func vector(at offset: Int, count: Int) -> Vector { value }
}
