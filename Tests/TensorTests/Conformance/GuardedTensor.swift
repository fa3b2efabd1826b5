import OperationCatalogue
import Tensor
import Testing

/// A tensor in the middle of a larger one, whose borders no kernel may read or write.
struct GuardedTensor {
  /// An odd width, so that the tensor inside is aligned to its elements only.
  private static let guardWidth = 67

  private let whole: Tensor
  private let before: [UInt64]
  /// The tensor that the kernel sees.
  let tensor: Tensor

  /// An input: its borders are NaN where the type has one, so that reading them shows in the result.
  init(operand values: [Double], _ shape: Shape, _ dtype: DType, on backend: any Backend) {
    self.init(values, shape, dtype, guardValue: dtype.isFloatingPoint ? .nan : 77, on: backend)
  }

  /// An output: its borders are a number, so that adding to them shows.
  init(output values: [Double], _ shape: Shape, _ dtype: DType, on backend: any Backend) {
    self.init(values, shape, dtype, guardValue: 77, on: backend)
  }

  private init(_ values: [Double], _ shape: Shape, _ dtype: DType, guardValue: Double, on backend: any Backend) {
    let border = Array(repeating: guardValue, count: Self.guardWidth)
    whole = Tensor(numbers: border + values + border, [values.count + 2 * Self.guardWidth], dtype, on: backend)
    tensor = whole.part(at: Self.guardWidth, shape)
    before = whole.numbers().map(\.bitPattern)
  }

  /// Whether the borders hold what they held.
  var hasIntactBorders: Bool {
    let after = whole.numbers().map(\.bitPattern)
    return after.prefix(Self.guardWidth) == before.prefix(Self.guardWidth)
      && after.suffix(Self.guardWidth) == before.suffix(Self.guardWidth)
  }

  /// Whether borders and elements hold what they held.
  var isUnchanged: Bool { whole.numbers().map(\.bitPattern) == before }
}
