import Foundation
import Tensor

/// A real number together with a bound on the error that single-precision arithmetic may make on the way to it.
///
/// The references compute with this type instead of `Double`: the value is the double-precision result, and every
/// operation adds to the error what a Float32 kernel may lose there (running error analysis: Wilkinson, 1986; Higham,
/// *Accuracy and Stability of Numerical Algorithms*, section 3.3). The tolerance of every element thereby follows from
/// the arithmetic of its own formula; nobody chooses it. Data movement does no arithmetic, keeps an error of zero and
/// is therefore compared exactly.
///
/// The model: an elementary operation is rounded to nearest, so its relative error is at most u = 2⁻²⁴; elementary
/// functions (exp, log, erf, …) are within four units; outputs below the normal range may be flushed to zero.
public struct Bounded: Sendable, ExpressibleByFloatLiteral {
  /// The result in double precision.
  public let value: Double
  /// How far a Float32 evaluation may lie from `value`.
  public let error: Double

  /// Half a unit in the last place of Float32, relative to the number.
  static let unit = 0x1p-24
  /// The smallest normal Float32: what a kernel that flushes to zero may lose.
  static let underflow = 0x1p-126
  /// The relative error granted to an elementary function.
  static let functionUnits = 4 * unit

  /// A number that is known exactly, or up to a given error.
  public init(_ value: Double, error: Double = 0) {
    self.value = value
    self.error = error
  }

  /// An intermediate result as a matrix unit may read it: rounded to the type of the other operands. Matrix units
  /// that read Float32 round nothing.
  public func read(as dtype: DType) -> Bounded {
    guard dtype != .float32 else { return self }
    return Bounded(value, error: error + dtype.unitRoundoff * (abs(value) + error) + dtype.smallestSpacing / 2)
  }

  /// A constant, exact.
  public init(floatLiteral value: Double) { self.init(value) }

  /// A constant that a kernel holds rounded to Float32.
  static func constant(_ value: Double) -> Bounded { Bounded(value, error: unit * abs(value)) }

  /// The result of an operation that inherits `error` and is rounded itself.
  init(rounding value: Double, inherited error: Double, units: Double = Bounded.unit) {
    self.init(value, error: error + units * (abs(value) + error) + Bounded.underflow)
  }
}

// MARK: - Arithmetic

extension Bounded {
  /// The rounded sum.
  public static func + (a: Bounded, b: Bounded) -> Bounded {
    Bounded(rounding: a.value + b.value, inherited: a.error + b.error)
  }

  /// The rounded difference.
  public static func - (a: Bounded, b: Bounded) -> Bounded {
    Bounded(rounding: a.value - b.value, inherited: a.error + b.error)
  }

  /// The rounded product.
  public static func * (a: Bounded, b: Bounded) -> Bounded {
    Bounded(
      rounding: a.value * b.value,
      inherited: abs(a.value) * b.error + abs(b.value) * a.error + a.error * b.error)
  }

  /// The rounded quotient.
  public static func / (a: Bounded, b: Bounded) -> Bounded {
    let quotient = a.value / b.value
    return Bounded(
      rounding: quotient, inherited: (a.error + abs(quotient) * b.error) / max(abs(b.value) - b.error, 0x1p-1022))
  }

  /// The opposite, exact.
  public static prefix func - (a: Bounded) -> Bounded { Bounded(-a.value, error: a.error) }

  /// The smaller of two numbers.
  public static func minimum(_ a: Bounded, _ b: Bounded) -> Bounded { a.value <= b.value ? a : b }

  /// The larger of two numbers.
  public static func maximum(_ a: Bounded, _ b: Bounded) -> Bounded { a.value >= b.value ? a : b }
}

/// A sum of many terms, in whatever order a kernel may choose.
///
/// Whatever the order, the error of adding k terms is at most (k - 1) u Σ|x| (Higham, section 4.2). Roundings are
/// almost independent, so that in practice the error grows like √k (Higham and Mary, 2019); three times √k stands nine
/// standard deviations off even for terms of one sign. The smaller of both bounds is used.
public struct BoundedSum {
  private var value = 0.0
  private var inherited = 0.0
  private var magnitude = 0.0
  private var count = 0.0

  /// A sum without terms.
  public init() {}

  /// Adds a term.
  public mutating func add(_ term: Bounded) {
    value += term.value
    inherited += term.error
    magnitude += abs(term.value)
    count += 1
  }

  /// The sum so far.
  public var total: Bounded {
    let factor = min(max(count - 1, 0), 3 * count.squareRoot())
    return Bounded(value, error: inherited + factor * Bounded.unit * magnitude)
  }
}

// MARK: - Functions

extension Bounded {
  /// √x.
  public func squareRoot() -> Bounded {
    let root = value.squareRoot()
    let inherited = root > 0 ? min(error / root, error.squareRoot()) : error.squareRoot()
    return Bounded(rounding: root, inherited: inherited)
  }

  /// eˣ.
  public func exponential() -> Bounded {
    let result = Foundation.exp(value)
    let inherited = error > 0 ? result * expm1(error) : 0
    return Bounded(rounding: result, inherited: inherited, units: Bounded.functionUnits)
  }

  /// The natural logarithm.
  public func logarithm() -> Bounded {
    Bounded(rounding: Foundation.log(value), inherited: error / value, units: Bounded.functionUnits)
  }

  /// The error function, whose slope is at most 2/√π.
  public func errorFunction() -> Bounded {
    Bounded(rounding: erf(value), inherited: error * 2 / Double.pi.squareRoot(), units: Bounded.functionUnits)
  }

  /// 1 / (1 + e⁻ˣ).
  public func sigmoid() -> Bounded { 1.0 / (1.0 + (-self).exponential()) }
}
