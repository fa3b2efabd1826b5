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
