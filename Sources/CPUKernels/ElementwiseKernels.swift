/// Functions of every element, and the gated unit. Outputs may be the memory of an operand of the same elements.
public protocol ElementwiseKernels: SendableMetatype {
  /// A function of `count` numbers.
  static func unary(_ operation: UnaryOperation, _ x: ConstantFloats, count: Int, into out: Floats, _ write: Write)

  /// `scale` · x + `shift` of `count` numbers.
  static func affine(
    _ x: ConstantFloats, scale: Float, shift: Float, count: Int, into out: Floats, _ write: Write)

  /// A function of pairs of numbers, [rows, columns]. At most one operand is constant along its rows.
  static func binary(
    _ operation: BinaryOperation, _ a: RowOperand, _ b: RowOperand, rows: Int, columns: Int, into out: Floats,
    _ write: Write)

  /// [rows, 2 · width] → [rows, width]: the first half times gelu of the second.
  static func geglu(_ x: ConstantFloats, rows: Int, width: Int, into out: Floats)

  /// The derivative of `geglu`, [rows, 2 · width].
  static func gegluBackward(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, width: Int, into dx: Floats, _ write: Write)
}

/// Rows of numbers that are read side by side with those of a result.
public struct RowOperand {
  /// The first number of the first row.
  public let start: ConstantFloats
  /// The distance between rows; 0 where one row is read again and again.
  public let stride: Int
  /// Whether a row is a single number that stands for all.
  public let isConstant: Bool

  /// Rows from `start` on.
  public init(start: ConstantFloats, stride: Int, isConstant: Bool) {
    self.start = start
    self.stride = stride
    self.isConstant = isConstant
  }
}
