/// How much memory training a model takes, in bytes, found by a session that trains for one step on a device that
/// computes nothing.
///
/// A device's own working memory, such as that of its convolution library, comes on top.
public struct TrainingMemory: Sendable, Hashable {
  /// The weights of all parts, trained or not; in half types with the copies that are computed with.
  public let weights: Int
  /// The gradients of the trained parts, where they are kept.
  public let gradients: Int
  /// AdamW's two moments of each trained weight, with their scales where they are quantised.
  public let moments: Int
  /// The most that activations and their gradients, and whatever else there is, take at one time.
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
    let batchNumber = Tensor([Int32(0)], [], on: backend)
    func build<Model>(_ part: ModelPart, _ make: (Scope) throws -> Model) throws -> (Model, ParameterStore) {
      let built = try ParameterStore.build(
        on: backend, trainable: { _ in configuration.trainsWeights(of: part) },
        computeType: configuration.mixedPrecision.computeType, masterType: configuration.masterType,
        gradients: configuration.gradientKeeping,
        additions: configuration.additions(
          to: part, part == .textEncoder ? configuration.plannedTokens() : nil, batchNumber: batchNumber),
        from: UndefinedParameters(), make)
      return (built.model, built.parameters)
    }
    try configuration.requireTrainable(folder)
    let (unet, unetParameters) = try build(.unet, folder.makeUNet)
    let (textEncoder, textParameters) = try build(.textEncoder, folder.makeTextEncoder)
    let (_, autoencoderParameters) = try build(.vae, folder.makeAutoencoder)
    let trained = [unetParameters, textParameters].filter { !$0.trainable.isEmpty }
    weights = [unetParameters, textParameters, autoencoderParameters].reduce(0) { $0 + $1.byteCount }
    gradients = configuration.fusedBackwardPass ? 0 : trained.reduce(0) { $0 + $1.gradients.byteCount }

    let batch = TrainingBatch(
      number: batchNumber, latents: TrainingMemory.latents(folder, configuration, on: backend),
      prompts: PromptStates(
        Array(
          repeating: [Int32](repeating: 0, count: folder.textConfiguration.maximumLength),
          count: configuration.batchCount),
        textEncoder, isTrained: configuration.trainsTextStates, checkpointing: configuration.gradientCheckpointing),
      scalingFactor: folder.autoencoderConfiguration.scalingFactor, offsetNoise: configuration.offsetNoise, seed: 0,
      on: backend)
    // The batches of a step are alike from the second on.
    var shortened = configuration
    shortened.gradientAccumulationSteps = min(2, configuration.gradientAccumulationSteps)
    let session = TrainingSession(
      TrainingSession.Networks(unet: unet, scheduler: folder.schedulerConfiguration, trained: trained),
      shortened, stepCount: 1, load: { _ in }, batch: batch.callAsFunction)
    moments = session.optimizer.momentByteCount
    // What is not trained stays in memory all the same.
    withExtendedLifetime((textParameters, autoencoderParameters)) { session.advance() }
    activations = backend.memory.peak - weights - gradients - moments
  }

  /// The places of a batch's latents, with nothing in them.
  private static func latents(
    _ folder: ModelFolder, _ configuration: TrainingConfiguration, on backend: any Backend
  ) -> [BatchLatents] {
    let side = configuration.resolution / folder.autoencoderConfiguration.downFactor
    let shape: Shape = [
      configuration.trainBatchSize, side, side, folder.autoencoderConfiguration.latentChannels,
    ]
    return (0..<configuration.batchCount / configuration.trainBatchSize).map { _ in
      .encoded(mean: Tensor(empty: shape, on: backend), deviation: Tensor(empty: shape, on: backend))
    }
  }
}
