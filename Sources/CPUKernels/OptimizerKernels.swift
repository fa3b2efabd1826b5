/// Steps of AdamW, and what parameters and moments of fewer bits need around them.
public protocol OptimizerKernels: SendableMetatype {
  /// Takes one step of `count` parameters, in the order of operations of torch.optim.AdamW and without fused products,
  /// so that every instruction set and every device gets the same bytes.
  static func adamW(
    _ step: AdamWStep, gradient: ConstantFloats, parameter: Floats, moment1: Floats, moment2: Floats, count: Int)

  /// The largest magnitude of `count` numbers.
  static func largestMagnitude(_ x: ConstantFloats, count: Int) -> Float

  /// Finds the codes of `count` numbers in 8 bits, each multiplied by `factor` first.
  static func quantize(
    _ x: ConstantFloats, factor: Float, _ codebook: QuantizationCodebook, count: Int,
    into codes: UnsafeMutablePointer<UInt8>)

  /// What `count` codes stand for, times `scale`.
  static func dequantize(
    _ codes: UnsafePointer<UInt8>, scale: Float, _ codebook: QuantizationCodebook, count: Int, into out: Floats)

  /// Rounds `count` numbers to BFloat16 at random: cuts off the lower 16 bits after a random number of 16 bits has been
  /// added to them. What is not finite is rounded to nearest.
  ///
  /// - Parameter counter: the Philox block that the first eight numbers take their random bits from; the blocks after it
  ///   serve those that follow.
  static func roundAtRandom(
    _ x: ConstantFloats, _ counter: PhiloxCounter, count: Int, into out: UnsafeMutablePointer<UInt16>)
}

/// What all parameters of a step of AdamW share.
public struct AdamWStep {
  /// The factor that gradients are read through.
  public let clipping: Float
  /// What weight decay leaves of a parameter.
  public let keep: Float
  /// The share of a new gradient in the mean.
  public let newShare1: Float
  /// The share of the old mean of squares in the new one.
  public let oldShare2: Float
  /// The share of a new squared gradient in the mean of squares.
  public let newShare2: Float
  /// The learning rate over the first bias correction.
  public let size: Float
  /// The root of the second bias correction.
  public let root2: Float
  /// What keeps the denominator away from zero.
  public let epsilon: Float

  /// A step with these numbers.
  public init(
    clipping: Float, keep: Float, newShare1: Float, oldShare2: Float, newShare2: Float, size: Float, root2: Float,
    epsilon: Float
  ) {
    self.clipping = clipping
    self.keep = keep
    self.newShare1 = newShare1
    self.oldShare2 = oldShare2
    self.newShare2 = newShare2
    self.size = size
    self.root2 = root2
    self.epsilon = epsilon
  }
}

/// The 256 numbers that codes of 8 bits stand for, and how the nearest is found.
public struct QuantizationCodebook {
  /// The number of each code, in rising order, [256].
  public let values: ConstantFloats
  /// The largest number that has each code, [256].
  public let upperEnds: ConstantFloats
  /// The code of the least of all numbers with the same upper 16 bits, [65536]. The others have that code or the next.
  public let firstCodes: UnsafePointer<UInt8>

  /// A codebook at these addresses.
  public init(values: ConstantFloats, upperEnds: ConstantFloats, firstCodes: UnsafePointer<UInt8>) {
    self.values = values
    self.upperEnds = upperEnds
    self.firstCodes = firstCodes
  }
}

/// The counter and the key of a Philox 4x32-10 block (Salmon et al., 2011).
public struct PhiloxCounter {
  /// The lower half of the counter.
  public let block: UInt64
  /// The upper half of the counter.
  public let draw, stream: UInt32
  /// The key.
  public let seed: UInt64

  /// Block number `block` of a draw from a stream.
  public init(block: UInt64, draw: UInt32, stream: UInt32, seed: UInt64) {
    self.block = block
    self.draw = draw
    self.stream = stream
    self.seed = seed
  }
}
