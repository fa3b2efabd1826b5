import Foundation
import Tensor

/// How the numbers of an operand are made. All are drawn from a seed, so that a case is the same on every machine.
public enum Distribution: Sendable {
  /// Normally distributed numbers.
  case normal(mean: Double = 0, deviation: Double = 1)
  /// Uniformly distributed numbers.
  case uniform(ClosedRange<Double>)
  /// Whole numbers.
  case integers(Range<Int>)
  /// The given numbers, repeated as often as needed.
  case list([Double])
  /// Numbers that follow from the operands before this one, such as a saved output of the forward pass.
  case computed(@Sendable (_ earlier: [Values]) -> Values)
}

/// An input of an operation.
public struct Operand: Sendable {
  /// The extents; those of convolution weights in PyTorch's order.
  public let shape: Shape
  /// The type of the elements.
  public let dtype: DType
  /// How the elements are made.
  public let distribution: Distribution
  /// Whether a backend stores the tensor in its own order of convolution weights.
  public let isConvolutionWeight: Bool

  /// An operand, normally distributed unless told otherwise.
  public init(
    _ shape: Shape, _ dtype: DType = .float32, _ distribution: Distribution = .normal(),
    isConvolutionWeight: Bool = false
  ) {
    self.shape = shape
    self.dtype = dtype
    self.distribution = distribution
    self.isConvolutionWeight = isConvolutionWeight
  }

  /// The elements, rounded to what the operand's type can hold.
  ///
  /// Computed operands keep their exact value, and what rounding changes becomes part of the error: a kernel may use
  /// the saved number or compute its own.
  public func values(seed: UInt64, after earlier: [Values]) -> Values {
    var generator = SplitMix64(state: seed)
    let numbers: [Double]
    switch distribution {
    case .normal(let mean, let deviation):
      numbers = (0..<shape.count).map { _ in mean + deviation * generator.nextNormal() }
    case .uniform(let range):
      numbers = (0..<shape.count).map { _ in
        range.lowerBound + (range.upperBound - range.lowerBound) * generator.nextUniform()
      }
    case .integers(let range):
      numbers = (0..<shape.count).map { _ in
        Double(range.lowerBound) + (Double(range.count) * generator.nextUniform()).rounded(.down)
      }
    case .list(let list):
      numbers = (0..<shape.count).map { list[$0 % list.count] }
    case .computed(let function):
      return function(earlier).map { element in
        Bounded(element.value, error: abs(dtype.rounded(element.value) - element.value))
      }
    }
    return Values(shape, numbers.map { Bounded(dtype.rounded($0)) })
  }
}

/// An output of an operation.
public struct Output: Sendable {
  /// What a kernel may do to an output.
  public enum Mode: Sendable, Hashable {
    /// It replaces or adds, as it is told.
    case either
    /// It always replaces.
    case overwrite
    /// It updates what is there: the output starts as a copy of the operand with this index.
    case update(operand: Int)
  }

  /// The extents; those of convolution weights in PyTorch's order.
  public let shape: Shape
  /// The type of the elements.
  public let dtype: DType
  /// How the kernel may write.
  public let mode: Mode
  /// Whether a backend stores the tensor in its own order of convolution weights.
  public let isConvolutionWeight: Bool
  /// Whether a kernel may round to the type before it adds to what is there: so do cuBLASLt, cuDNN, and PyTorch
  /// everywhere.
  public let mayRoundBeforeAdding: Bool

  /// An output that can be written both ways unless told otherwise.
  public init(
    _ shape: Shape, _ dtype: DType = .float32, _ mode: Mode = .either, isConvolutionWeight: Bool = false,
    mayRoundBeforeAdding: Bool = false
  ) {
    self.shape = shape
    self.dtype = dtype
    self.mode = mode
    self.isConvolutionWeight = isConvolutionWeight
    self.mayRoundBeforeAdding = mayRoundBeforeAdding
  }
}

/// A small generator for test inputs (Steele, Lea and Flood, 2014); independent of the generators under test.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// A generator in the given state.
  public init(state: UInt64) { self.state = state }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number in [0, 1).
  public mutating func nextUniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number of the unit normal distribution (Box and Muller, 1958).
  public mutating func nextNormal() -> Double {
    let radius = (-2 * log(1 - nextUniform())).squareRoot()
    return radius * cos(2 * Double.pi * nextUniform())
  }
}

extension DType {
  /// The nearest number that the type can hold, ties to even; whole numbers lose their fraction.
  public func rounded(_ value: Double) -> Double {
    switch self {
    case .float32: return Double(Float(value))
    case .float16: return Double(Float16(value))
    case .bfloat16:
      guard value.isFinite && value != 0 else { return value }
      let exponent = max(value.exponent, -126)
      let spacing = scalbn(1.0, Int(exponent) - 7)
      let result = (value / spacing).rounded(.toNearestOrEven) * spacing
      return abs(result) > 0x1.FEp127 ? .infinity * result : result
    case .int32, .uint8: return value.rounded(.towardZero)
    }
  }

  /// The largest relative error of rounding to the type.
  public var unitRoundoff: Double {
    switch self {
    case .float32: 0x1p-24
    case .float16: 0x1p-11
    case .bfloat16: 0x1p-8
    case .int32, .uint8: 0
    }
  }

  /// The distance of the smallest numbers of the type.
  public var smallestSpacing: Double {
    switch self {
    case .float32: 0x1p-149
    case .float16: 0x1p-24
    case .bfloat16: 0x1p-133
    case .int32, .uint8: 0
    }
  }
}
