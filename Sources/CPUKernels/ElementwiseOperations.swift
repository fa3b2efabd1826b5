/// Functions of one number.
public enum UnaryOperation: String, Sendable, CaseIterable {
  case squareRoot, exp
  /// x · sigmoid(x).
  case silu
  /// x · Φ(x) with the exact error function (PyTorch's default).
  case gelu
  /// x · sigmoid(1.702 x), CLIP ViT-L's activation.
  case quickGELU
}

/// Functions of two numbers.
public enum BinaryOperation: String, Sendable, CaseIterable {
  case add, subtract, multiply, divide
  /// The smaller and the larger of two numbers; NaN where the first is NaN.
  case minimum, maximum
  /// Derivatives of the activations: the first operand is the activation's input, the second the incoming gradient.
  case siluBackward, geluBackward, quickGELUBackward
}
