/// The arithmetic of one batch, shared by training and by the comparison with PyTorch: latents get noise, the UNet
/// predicts it, the loss says how well.
public struct DenoisingStep: Sendable {
  /// A batch as it comes out of the data, before noise is added.
  public struct Batch: Sendable {
    /// Latents times the autoencoder's scaling factor, [batch, height, width, channels].
    public var latents: Tensor
    /// Numbers of the unit normal distribution, shaped like `latents`.
    public var noise: Tensor
    /// Int32, [batch].
    public var timesteps: Tensor
    /// What the text encoder made of the prompts, [batch, tokens, width].
    public var encoderHiddenStates: Variable

    /// A batch of the given parts.
    public init(latents: Tensor, noise: Tensor, timesteps: Tensor, encoderHiddenStates: Variable) {
      self.latents = latents
      self.noise = noise
      self.timesteps = timesteps
      self.encoderHiddenStates = encoderHiddenStates
    }
  }

  /// What became of a batch; everything stays on the device.
  public struct Result: Sendable {
    /// What the UNet predicted, [batch, height, width, channels].
    public let prediction: Variable
    /// What it should have predicted, of the same shape.
    public let target: Tensor
    /// How far apart they are.
    public let loss: PriorPreservationLoss.Value
  }

  private let unet: UNet2DConditionModel
  private let coefficients: NoiseCoefficients
  private let predictionType: PredictionType
  private let loss: PriorPreservationLoss
  private let importance: MinSNRWeights?
  private let checkpointing: Bool

  /// A step of the given network.
  ///
  /// - Parameters:
  ///   - scheduler: the noise that the model was trained with, and what it predicts.
  ///   - snrGamma: the γ of min-SNR weights; none where left out.
  ///   - checkpointing: whether the UNet's activations are computed twice instead of being kept.
  public init(
    _ unet: UNet2DConditionModel, _ scheduler: SchedulerConfig, _ loss: PriorPreservationLoss,
    snrGamma: Double? = nil, checkpointing: Bool, on backend: any Backend
  ) {
    self.unet = unet
    self.loss = loss
    self.checkpointing = checkpointing
    let schedule = NoiseSchedule(scheduler)
    let predictionType = scheduler.predictionType ?? .epsilon
    coefficients = NoiseCoefficients(schedule, on: backend)
    importance = snrGamma.map { MinSNRWeights(gamma: $0, schedule, predictionType, on: backend) }
    self.predictionType = predictionType
  }

  /// The forward pass; `result.loss.total.backward()` is the other half.
  public func callAsFunction(_ batch: Batch) -> Result {
    let (latents, noise, timesteps) = (batch.latents, batch.noise, batch.timesteps)
    let noisy = coefficients.addNoise(latents, noise, timesteps: timesteps)
    let prediction = unet(
      Variable(noisy), timesteps: timesteps, encoderHiddenStates: batch.encoderHiddenStates,
      checkpointing: checkpointing)
    let target = coefficients.target(predictionType, latents, noise, timesteps: timesteps)
    return Result(
      prediction: prediction, target: target, loss: loss(prediction, target, importance: importance?(timesteps)))
  }
}
