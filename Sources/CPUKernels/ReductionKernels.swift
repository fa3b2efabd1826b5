/// Sums. The order of additions depends on the counts alone.
public protocol ReductionKernels: SendableMetatype {
  /// Σ x of `count` numbers. Short parts are added up in Float32 and their sums in Float64.
  static func sum(_ x: ConstantFloats, count: Int) -> Double

  /// Σ x² of `count` numbers.
  static func sumOfSquares(_ x: ConstantFloats, count: Int) -> Double

  /// Σ (a - b)² of `count` numbers.
  static func squaredDistance(_ a: ConstantFloats, _ b: ConstantFloats, count: Int) -> Double

  /// (a - b) · factor of `count` numbers.
  static func scaledDifference(
    _ a: ConstantFloats, _ b: ConstantFloats, factor: Float, count: Int, into out: Floats, _ write: Write)

  /// `scale` times the sum of rows of `width` numbers that lie at a distance of `stride`.
  static func sumRows(
    _ x: ConstantFloats, rows: Int, stride: Int, width: Int, scale: Float, into out: Floats, _ write: Write)

  /// The sum of rows of `width` numbers that lie anywhere.
  static func sumRows(_ rows: RowPointers, count: Int, width: Int, into out: Floats, _ write: Write)
}
