/// Everything that enters a batch, as a pure function of the seed and the batch's number.
struct TrainingData: Sendable {
  /// A folder's latents, and the order in which batches take them.
  struct Part: Sendable {
    let latents: LatentSource
    let order: BatchOrder

    /// The latents of a folder in the given order.
    init(_ latents: LatentSource, _ order: BatchOrder) {
      self.latents = latents
      self.order = order
    }
  }

  /// The standard deviation of what `offsetNoise` adds to all of a channel's noise (N. Guttenberg, "Diffusion with
  /// Offset Noise", 2023); diffusers has the same number.
  private static let noiseOffset: Float = 0.1

  private let instance: Part
  private let prior: Part?
  private let prompts: PromptStates
  private let scalingFactor: Float
  private let timestepCount: Int
  private let offsetNoise: Bool
  private let seed: UInt64
  private let backend: any Backend

  /// The data of a run.
  ///
  /// - Parameters:
  ///   - prior: the class pictures; `nil` without prior preservation.
  ///   - scalingFactor: the autoencoder's.
  ///   - timestepCount: the number of timesteps of the noise schedule.
  init(
    instance: Part, prior: Part?, prompts: PromptStates, scalingFactor: Float, timestepCount: Int,
    offsetNoise: Bool, seed: UInt64, on backend: any Backend
  ) {
    self.instance = instance
    self.prior = prior
    self.prompts = prompts
    self.scalingFactor = scalingFactor
    self.timestepCount = timestepCount
    self.offsetNoise = offsetNoise
    self.seed = seed
    self.backend = backend
  }

  /// A batch; the first is 0.
  func batch(_ number: Int) -> DenoisingStep.Batch {
    let draw = Tensor([Int32(number)], [], on: backend)
    func normal(_ shape: Shape, _ stream: TrainingStream) -> Tensor {
      Tensor.normal(shape, stream.random(seed: seed), draw: draw)
    }
    let (mean, deviation) = distributions(number)
    let latents = (mean + deviation * normal(mean.shape, .posterior)) * scalingFactor
    var noise = normal(latents.shape, .noise)
    if offsetNoise {
      let perChannel: Shape = [latents.shape[0], 1, 1, latents.shape[3]]
      noise = noise + normal(perChannel, .noiseOffset) * TrainingData.noiseOffset
    }
    return DenoisingStep.Batch(
      latents: latents, noise: noise, timesteps: timesteps(number, count: latents.shape[0]),
      encoderHiddenStates: prompts())
  }

  /// The distributions of the latents, first of the instance pictures and then of the class pictures.
  private func distributions(_ number: Int) -> (mean: Tensor, standardDeviation: Tensor) {
    let chosen = instance.order.images(inBatch: number)
    let first = instance.latents.distributions(chosen, inBatch: number, from: 0)
    guard let prior else { return first }
    let second = prior.latents.distributions(
      prior.order.images(inBatch: number), inBatch: number, from: chosen.count)
    return (
      Tensor.concatenated([first.mean, second.mean], axis: 0),
      Tensor.concatenated([first.standardDeviation, second.standardDeviation], axis: 0)
    )
  }

  private func timesteps(_ number: Int, count: Int) -> Tensor {
    let chances = TrainingStream.timesteps.random(seed: seed).uniforms(count, draw: UInt32(number))
    return Tensor(chances.map { Int32(Double($0) * Double(timestepCount)) }, [count], on: backend)
  }
}
