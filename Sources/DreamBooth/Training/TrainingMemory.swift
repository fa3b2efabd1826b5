/// How much memory training a model takes, in bytes, found by taking a step that computes nothing.
///
/// A device's own working memory, such as that of its convolution library, comes on top.
public struct TrainingMemory: Sendable, Hashable {
  /// The weights of all parts, trained or not.
  public let weights: Int
  /// The gradients of the trained parts.
  public let gradients: Int
  /// AdamW's two moments of each trained weight.
  public let moments: Int
  /// The most that activations and their gradients take at one time.
  public let activations: Int

  /// Everything together.
  public var total: Int { weights + gradients + moments + activations }

  /// What a run with the given options would take.
  ///
  /// Weights are not read; the folder's configurations say all there is to know.
  ///
  /// - Throws: what is wrong with the folder's configurations.
  public init(_ folder: ModelFolder, _ configuration: TrainingConfiguration) throws {
    let backend = NullBackend()
    func build<Model>(_ isTrained: Bool, _ make: (Scope) throws -> Model) throws -> (Model, ParameterStore) {
      let built = try ParameterStore.build(
        on: backend, trainable: { _ in isTrained }, from: UndefinedParameters(), make)
      return (built.model, built.parameters)
    }
    let trainsText = configuration.trainTextEncoder
    let (unet, unetParameters) = try build(true, folder.makeUNet)
    let (textEncoder, textParameters) = try build(trainsText, folder.makeTextEncoder)
    let (_, autoencoderParameters) = try build(false, folder.makeAutoencoder)
    let trained = trainsText ? [unetParameters, textParameters] : [unetParameters]
    let size = MemoryLayout<Float>.size
    weights = size * [unetParameters, textParameters, autoencoderParameters].reduce(0) { $0 + $1.count }
    gradients = size * trained.reduce(0) { $0 + $1.gradients.count }
    moments = 2 * gradients
    let optimizer = AdamW(trained, configuration.adamW, maximumGradientNorm: configuration.maxGradNorm)
    let resident = backend.memory.live

    let prior = configuration.withPriorPreservation ? configuration.trainBatchSize : 0
    let denoise = DenoisingStep(
      unet, folder.schedulerConfiguration,
      PriorPreservationLoss(instanceCount: configuration.trainBatchSize, classCount: prior, weight: 1, on: backend),
      checkpointing: configuration.gradientCheckpointing, on: backend)
    let batch = configuration.batchCount
    let ids = Tensor(
      empty: [batch, folder.textConfiguration.maximumLength], dtype: .int32, on: backend)
    let states =
      trainsText
      ? textEncoder(ids, checkpointing: configuration.gradientCheckpointing)
      : withoutRecording { textEncoder(ids) }
    let side = configuration.resolution / folder.autoencoderConfiguration.downFactor
    let latents = Tensor(
      empty: [batch, side, side, folder.autoencoderConfiguration.latentChannels], on: backend)
    let result = denoise(
      DenoisingStep.Batch(
        latents: latents, noise: latents, timesteps: Tensor(empty: [batch], dtype: .int32, on: backend),
        encoderHiddenStates: states))
    result.loss.total.backward()
    optimizer.step(learningRate: configuration.learningRate)
    activations = backend.memory.peak - resident
  }
}
