import Foundation
import Tensor

/// Every operation by the textbook formula in naive loops.
public enum Reference {
  /// A function of one number.
  public static func unary(_ operation: UnaryOperation, _ x: Bounded) -> Bounded {
    switch operation {
    case .squareRoot: x.squareRoot()
    case .exp: x.exponential()
    case .silu: x * x.sigmoid()
    case .gelu: x * normalDistribution(x)
    case .quickGELU: x * (quickFactor * x).sigmoid()
    }
  }

  /// A function of two numbers.
  public static func binary(_ operation: BinaryOperation, _ a: Bounded, _ b: Bounded) -> Bounded {
    switch operation {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .minimum: Bounded.minimum(a, b)
    case .maximum: Bounded.maximum(a, b)
    case .siluBackward: b * swishSlope(a, 1.0)
    case .geluBackward: b * geluSlope(a)
    case .quickGELUBackward: b * swishSlope(a, quickFactor)
    }
  }

  private static let quickFactor = Bounded.constant(1.702)

  /// The derivative of x · sigmoid(factor · x).
  private static func swishSlope(_ x: Bounded, _ factor: Bounded) -> Bounded {
    let sigmoid = (factor * x).sigmoid()
    return sigmoid * (1.0 + factor * x * (1.0 - sigmoid))
  }

  /// The derivative of gelu: Φ(x) + x φ(x).
  static func geluSlope(_ x: Bounded) -> Bounded {
    let density = Bounded.constant(1 / (2 * Double.pi).squareRoot()) * (-(x * x) / 2.0).exponential()
    return normalDistribution(x) + x * density
  }

  /// Φ(x), the share of a unit normal distribution below x.
  static func normalDistribution(_ x: Bounded) -> Bounded {
    0.5 * (1.0 + (Bounded.constant(0.5.squareRoot()) * x).errorFunction())
  }

  /// A function of pairs of elements under NumPy's broadcasting rule.
  public static func binary(_ operation: BinaryOperation, _ a: Values, _ b: Values, _ shape: Shape) -> Values {
    var out = Values(zeros: shape)
    for flat in 0..<shape.count {
      var rest = flat
      var (aIndex, aStride, bIndex, bStride) = (0, 1, 0, 1)
      for axis in (0..<shape.rank).reversed() {
        let position = rest % shape[axis]
        rest /= shape[axis]
        if let extent = extent(a.shape, axis - shape.rank) {
          aIndex += (extent == 1 ? 0 : position) * aStride
          aStride *= extent
        }
        if let extent = extent(b.shape, axis - shape.rank) {
          bIndex += (extent == 1 ? 0 : position) * bStride
          bStride *= extent
        }
      }
      out[flat] = binary(operation, a[aIndex], b[bIndex])
    }
    return out
  }

  /// The extent of an axis counted from the last, where the shape has that axis.
  private static func extent(_ shape: Shape, _ axis: Int) -> Int? {
    -axis <= shape.rank ? shape[axis] : nil
  }
}
