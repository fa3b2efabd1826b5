import OperationCatalogue
import Tensor
import Testing

/// A tensor in the middle of a larger one, whose borders no kernel may read or write.
struct GuardedTensor {
  private let whole: Tensor
  private let before: [UInt64]
  private let guardWidth: Int
  /// The tensor that the kernel sees.
  let tensor: Tensor

  /// An input: its borders are NaN where the type has one, so that reading them shows in the result.
  init(operand values: [Double], _ shape: Shape, _ dtype: DType, guardWidth: Int, on backend: any Backend) {
    self.init(values, shape, dtype, guardValue: dtype.isFloatingPoint ? .nan : 77, guardWidth, on: backend)
  }

  /// An output: its borders are a number, so that adding to them shows.
  init(output values: [Double], _ shape: Shape, _ dtype: DType, guardWidth: Int, on backend: any Backend) {
    self.init(values, shape, dtype, guardValue: 77, guardWidth, on: backend)
  }

  private init(
    _ values: [Double], _ shape: Shape, _ dtype: DType, guardValue: Double, _ guardWidth: Int, on backend: any Backend
  ) {
    self.guardWidth = guardWidth
    let border = Array(repeating: guardValue, count: guardWidth)
    whole = Tensor(numbers: border + values + border, [values.count + 2 * guardWidth], dtype, on: backend)
    tensor = whole.part(at: guardWidth, shape)
    before = whole.numbers().map(\.bitPattern)
  }

  /// Whether the borders hold what they held.
  var hasIntactBorders: Bool {
    let after = whole.numbers().map(\.bitPattern)
    return after.prefix(guardWidth) == before.prefix(guardWidth)
      && after.suffix(guardWidth) == before.suffix(guardWidth)
  }

  /// Whether borders and elements hold what they held.
  var isUnchanged: Bool { whole.numbers().map(\.bitPattern) == before }
}
