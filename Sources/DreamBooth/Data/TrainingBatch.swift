/// A batch as the device makes it: from a few small tensors that are written before each step, by the same work every
/// time, so that it can be recorded.
struct TrainingBatch: Sendable {
  /// The standard deviation of what `offsetNoise` adds to all of a channel's noise (N. Guttenberg, "Diffusion with
  /// Offset Noise", 2023); diffusers has the same number.
  private static let noiseOffset: Float = 0.1

  /// The number of the batch, one Int32; the first is 0.
  let number: Tensor
  /// Int32, [batch].
  let timesteps: Tensor
  private let latents: [BatchLatents]
  private let prompts: PromptStates
  private let scalingFactor: Float
  private let offsetNoise: Bool
  private let seed: UInt64

  /// The batches of a run.
  ///
  /// - Parameters:
  ///   - number: the place of the batch's number, one Int32.
  ///   - latents: those of the instance pictures and, with prior preservation, those of the class pictures.
  ///   - scalingFactor: the autoencoder's.
  ///   - seed: what the noise derives from, together with the batch's number.
  init(
    number: Tensor, latents: [BatchLatents], prompts: PromptStates, scalingFactor: Float, offsetNoise: Bool,
    seed: UInt64,
    on backend: any Backend
  ) {
    self.latents = latents
    self.prompts = prompts
    self.scalingFactor = scalingFactor
    self.offsetNoise = offsetNoise
    self.seed = seed
    let count = latents.reduce(0) { $0 + $1.shape[0] }
    self.number = number
    timesteps = Tensor([Int32](repeating: 0, count: count), [count], on: backend)
  }

  /// The batch that the tensors describe at the moment.
  func callAsFunction() -> DenoisingStep.Batch {
    func normal(_ shape: Shape, _ stream: TrainingStream) -> Tensor {
      Tensor.normal(shape, stream.random(seed: seed), draw: number)
    }
    let (mean, deviation) = distributions()
    let latents = (mean + deviation * normal(mean.shape, .posterior)) * scalingFactor
    var noise = normal(latents.shape, .noise)
    if offsetNoise {
      let perChannel: Shape = [latents.shape[0], 1, 1, latents.shape[3]]
      noise = noise + normal(perChannel, .noiseOffset) * TrainingBatch.noiseOffset
    }
    return DenoisingStep.Batch(
      latents: latents, noise: noise, timesteps: timesteps, encoderHiddenStates: prompts())
  }

  /// The distributions of the latents, first of the instance pictures and then of the class pictures.
  private func distributions() -> (mean: Tensor, standardDeviation: Tensor) {
    let parts = latents.map { $0() }
    guard parts.count > 1 else { return parts[0] }
    return (
      Tensor.concatenated(parts.map(\.mean), axis: 0),
      Tensor.concatenated(parts.map(\.standardDeviation), axis: 0)
    )
  }
}
