/// The random numbers of a batch of pictures, in the order in which diffusers draws them.
struct LatentNoise {
  /// One generator for the whole batch, or one for each picture.
  private var generators: [TorchGenerator]

  init(seeds: [UInt64]) { generators = seeds.map { TorchGenerator(seed: $0) } }

  /// The next numbers of the unit normal distribution, for latents of shape [batch, height, width, channels].
  ///
  /// They are drawn in PyTorch's order, [batch, channels, height, width].
  mutating func draw(_ shape: Shape, on backend: any Backend) -> Tensor {
    let count = shape.count / generators.count
    let numbers = generators.indices.flatMap { generators[$0].randn(count) }
    return Tensor(numbers, [shape[0], shape[3], shape[1], shape[2]], on: backend).channelsLast()
  }
}
