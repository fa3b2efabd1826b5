/// How a step of an optimiser rounds parameters that exist in BFloat16 alone: up or down at random, the nearer number
/// being the likelier one, so that the mean is exact and steps below the type's spacing add up (Gupta et al., 2015).
///
/// The 16 bits that BFloat16 lacks are cut off after a random number of 16 bits has been added to them. Elements 8b to
/// 8b + 7 of a draw take the lower and upper halves of the four words of the Philox block that `RandomStream` numbers b.
public struct StochasticRounding: Sendable {
  /// The random numbers.
  public let stream: RandomStream
  /// The number of the draw, one Int32 on the device, so that a recorded step can be replayed.
  public let draw: Tensor
  /// Which element of the draw the first parameter takes, a multiple of 8.
  public let first: Int

  /// Rounding by the numbers of a draw from element `first` on.
  public init(_ stream: RandomStream, draw: Tensor, first: Int = 0) {
    require(draw.dtype == .int32 && draw.count == 1, "StochasticRounding: the draw is \(draw.shape) of \(draw.dtype)")
    require(first >= 0 && first.isMultiple(of: 8), "StochasticRounding: no block of numbers begins at \(first)")
    self.stream = stream
    self.draw = draw
    self.first = first
  }
}

extension RandomStream {
  /// The random 16 bits of eight elements from `8 * block` on, as `StochasticRounding` defines them.
  @inline(__always)
  func halfWords(block: UInt64, draw: UInt32) -> SIMD8<UInt32> {
    let counter = SIMD4(
      UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), draw, stream)
    let words = Philox.block(counter: counter, key: seed)
    var halves = SIMD8<UInt32>()
    halves.evenHalf = words & 0xffff
    halves.oddHalf = words &>> 16
    return halves
  }
}

extension BFloat16 {
  /// Rounds towards zero after `noise`, a random number of 16 bits, has been added below the last place that stays.
  @inlinable
  public init(_ value: Float, noise: UInt32) {
    self = value.isFinite ? BFloat16(bits: UInt16((value.bitPattern &+ noise) >> 16)) : BFloat16(value)
  }
}
