/// How much arithmetic the primitives do: multiplications, additions and elementary functions, each counted as one, by
/// the textbook formulas. A kernel that is cleverer than these still counts as them.
public enum OperationCost {
  /// The operations for each element, where their number is a multiple of those: of the elements of the output for
  /// elementwise operations and of those of the input for sums, normalisations, `gatherBackward` and
  /// `upsampleNearestBackward`. For `geglu` and its derivative the elements are those of the narrow side.
  public static func perElement(_ primitive: Primitive) -> Int {
    switch primitive {
    case .fill, .cast, .transpose, .copyBlocks, .upsampleNearest, .gather, .uniform, .normal: 0
    case .unary, .binary, .sum, .upsampleNearestBackward, .gatherBackward, .updateScale: 1
    case .affine, .geglu, .sumOfSquares: 2
    case .meanSquaredError, .meanSquaredErrorBackward: 3
    case .countStep: 4
    case .clippingFactor: 5
    case .gegluBackward: 6
    case .groupNorm, .layerNorm: 8
    case .adamW: 15
    case .adamWQuantized: 19
    case .groupNormBackward, .layerNormBackward: 16
    case .matrixProduct, .convolution, .convolutionBackwardInput, .convolutionBackwardWeight, .attention,
      .attentionBackward:
      fatalError("OperationCost: \(primitive.rawValue) does not count by elements")
    }
  }

  /// Of a matrix product.
  public static func matrixProduct(_ product: MatrixProduct) -> Int { 2 * product.m * product.n * product.k }

  /// Of a convolution, and of each of its derivatives.
  ///
  /// - Parameters:
  ///   - output: the shape of what the convolution gives, [batch, height, width, out].
  ///   - weight: the number of weights.
  public static func convolution(output: Shape, weight: Int) -> Int {
    output.count == 0 ? 0 : 2 * (output.count / output[3]) * weight
  }

  /// Of the two products in an attention over queries [batch, queries, heads, headSize].
  public static func attention(queries: Shape, keys: Int) -> Int { 4 * queries.count * keys }

  /// Of the five products in the derivatives of an attention.
  public static func attentionBackward(queries: Shape, keys: Int) -> Int {
    attention(queries: queries, keys: keys) * 5 / 2
  }
}
