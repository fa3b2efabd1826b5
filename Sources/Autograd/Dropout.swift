/// Sets numbers to zero at random and scales the others up, so that the mean stays (Srivastava et al., 2014).
///
/// It does so where derivatives are wanted, which is in training, and nothing elsewhere: there is no mode to switch. The
/// numbers depend on the seed, the draw and the layer alone, so a block that is computed again drops the same ones.
public struct Dropout: Sendable {
  /// The chance of each number to become zero.
  public let probability: Double
  private let random: RandomStream
  private let draw: Tensor

  /// The uniform numbers are multiples of 2⁻²⁴.
  private static let resolution: Float = 0x1p24

  /// A dropout whose numbers change with `draw`.
  ///
  /// - Parameters:
  ///   - probability: from 0 to below 1.
  ///   - draw: one Int32 on the device, for instance the number of the batch.
  public init(probability: Double, _ random: RandomStream, draw: Tensor) {
    require((0..<1).contains(probability), "Dropout: \(probability) is no probability below 1")
    require(draw.dtype == .int32 && draw.count == 1, "Dropout: the draw is \(draw.shape) of \(draw.dtype)")
    self.probability = probability
    self.random = random
    self.draw = draw
  }

  /// The same for another layer, with numbers of its own.
  func independent(for layer: String) -> Dropout {
    // The hash of Fowler, Noll and Vo, as Swift's own differs from run to run.
    let hash = layer.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let own = RandomStream(seed: random.seed ^ hash, stream: random.stream)
    return Dropout(probability: probability, own, draw: draw)
  }

  /// `x` with some numbers set to zero and the others divided by 1 - `probability`.
  public func callAsFunction(_ x: Variable) -> Variable {
    guard probability > 0, Recording.isForDerivatives else { return x }
    return x * Variable(mask(x.shape).cast(to: x.value.dtype))
  }

  /// 0 with the chance `probability`, 1 / (1 - `probability`) otherwise.
  private func mask(_ shape: Shape) -> Tensor {
    let dropped = (Float(probability) * Self.resolution).rounded()
    // Whole numbers, so that the bounds are met exactly: at most 0 for what is dropped, at least 1 for the rest.
    let ranks = Tensor.uniform(shape, random, draw: draw).affine(scale: Self.resolution, shift: 1 - dropped)
    return ranks.clamped(to: 0...1) * Float(1 / (1 - probability))
  }
}
