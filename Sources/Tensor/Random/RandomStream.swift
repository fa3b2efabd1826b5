/// One sequence of random numbers among many, named by a seed and a stream number.
///
/// Separate streams for noise, timesteps, shuffling and so on make each of them a pure function of (seed, step), which
/// is what lets an interrupted run continue with the very same numbers.
public struct RandomStream: Sendable, Hashable {
  /// The user's seed.
  public let seed: UInt64
  /// What the numbers are for.
  public let stream: UInt32

  /// The sequence `stream` of a seed.
  public init(seed: UInt64, stream: UInt32) {
    self.seed = seed
    self.stream = stream
  }
}
