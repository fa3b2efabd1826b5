/// Training steps on pictures of noise, to measure what a run would take. All else is as in a run.
public final class TrainingBenchmark {
  /// What is measured.
  public struct Options: Sendable {
    /// The side of a picture in pixels.
    public var resolution = 512
    /// The pictures in a batch: where their number is even, half of them are class pictures with their own loss.
    public var batch = 2
    /// Whether the text encoder is trained along with the UNet.
    public var trainTextEncoder = false
    /// Whether activations are computed twice instead of being kept.
    public var gradientCheckpointing = false
    /// The type that the networks compute in.
    public var mixedPrecision = MixedPrecision.no
    /// Whether trained weights exist in bf16 alone.
    public var fullBf16 = false
    /// Whether moments are kept in 8 bits.
    public var use8bitAdam = false
    /// Whether weights are updated during the backward pass, without clipping.
    public var fusedBackwardPass = false
    /// Whether the device records a step and replays it, as in a run.
    public var recordsSteps = true
    /// What weights, pictures and noise derive from.
    public var seed: UInt64 = 0

    /// A batch of two pictures of 512 pixels, one of them of the class.
    public init() {}
  }

  /// How long things take, in seconds: medians.
  public struct Times: Sendable {
    /// From noisy latents to the loss, with nothing kept for derivatives.
    public let forward: Double
    /// From noisy latents to the gradients, or to the updated weights where the backward pass updates them.
    public let forwardAndBackward: Double
    /// A whole step: also clipping and AdamW.
    public let step: Double
    /// The most that tensors took at a time, in bytes.
    public let peakByteCount: Int
  }

  private let backend: any Backend
  private let session: TrainingSession
  private let forward, forwardAndBackward: RecordedStep

  /// How often a step is taken before one counts: the device rehearses it twice and records it the third time.
  private static let warmUps = 3

  /// A model ready to take steps.
  ///
  /// - Throws: what is wrong with the model, the options or the memory.
  public init(_ folder: ModelFolder, _ options: Options, on backend: any Backend) throws {
    let configuration = options.configuration
    try configuration.requireResolution(for: folder)
    try configuration.requireComputeType(on: backend)
    try configuration.requireMemorySavings()
    if let available = TrainingMemory.available(on: backend) {
      try TrainingMemory.requireFit(
        folder, configuration, available: available, computeTypes: backend.computeTypes)
    }
    let model = try TrainingModel(
      folder, trainTextEncoder: options.trainTextEncoder, computeType: options.mixedPrecision.computeType,
      masterType: configuration.masterType, gradients: configuration.gradientKeeping, on: backend,
      recordsSteps: options.recordsSteps)
    let preparation = TrainingPreparation(
      configuration: configuration, model: model, seed: options.seed, observer: { _ in })
    func pictures() -> TrainingPictures {
      TrainingPictures(noise: configuration.trainBatchSize, resolution: options.resolution, seed: options.seed)
    }
    let data = preparation.data(pictures(), configuration.withPriorPreservation ? pictures() : nil)
    session = TrainingSession(
      model.networks, configuration, stepCount: .max, isRecorded: options.recordsSteps, load: data.load,
      batch: data.batch.callAsFunction)
    let denoise = DenoisingStep(
      model.pipeline.unet, folder.schedulerConfiguration, PriorPreservationLoss(configuration, on: backend),
      checkpointing: configuration.gradientCheckpointing, on: backend)
    forward = RecordedStep(on: backend, isRecorded: options.recordsSteps) {
      withoutRecording { _ = denoise(data.batch()) }
    }
    forwardAndBackward = RecordedStep(on: backend, isRecorded: options.recordsSteps) {
      denoise(data.batch()).loss.total.backward()
      for part in model.parts { part.parameters.clearGradients() }
    }
    self.backend = backend
  }

  /// Measures `steps` calls of each kind, after a few that are not counted.
  ///
  /// - Throws: `TrainingError` where the loss is no number any more.
  public func measure(steps: Int) throws -> Times {
    try warmUp()
    let stepTimes = try backend.seconds(steps, step)
    let peak = backend.memory.peak
    return Times(
      forward: median(forward, steps), forwardAndBackward: median(forwardAndBackward, steps), step: stepTimes.median,
      peakByteCount: peak)
  }

  /// Takes the steps in which the device prepares what the others find.
  ///
  /// - Throws: `TrainingError` where the loss is no number any more.
  public func warmUp() throws {
    for _ in 0..<TrainingBenchmark.warmUps { try step() }
  }

  /// Takes one optimiser step. As in a run, the device may still be at it when this returns.
  ///
  /// - Throws: `TrainingError` where the loss is no number any more.
  public func step() throws {
    session.advance()
    while try session.nextRecord(waiting: false) != nil {}
  }

  private func median(_ work: RecordedStep, _ count: Int) -> Double {
    for _ in 0..<TrainingBenchmark.warmUps { work.run() }
    return backend.seconds(count, work.run).median
  }
}

extension TrainingBenchmark.Options {
  /// The run that these options stand for.
  fileprivate var configuration: TrainingConfiguration {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: "", instanceDataDir: "", instancePrompt: "a photo of sks dog", outputDir: "")
    configuration.seed = seed
    configuration.resolution = resolution
    configuration.withPriorPreservation = batch.isMultiple(of: 2)
    configuration.classPrompt = "a photo of a dog"
    configuration.trainBatchSize = batch.isMultiple(of: 2) ? batch / 2 : batch
    configuration.trainTextEncoder = trainTextEncoder
    configuration.gradientCheckpointing = gradientCheckpointing
    configuration.mixedPrecision = mixedPrecision
    configuration.fullBf16 = fullBf16
    configuration.use8bitAdam = use8bitAdam
    configuration.fusedBackwardPass = fusedBackwardPass
    if fusedBackwardPass { configuration.maxGradNorm = .infinity }
    return configuration
  }
}

extension [Double] {
  /// The middle of the sorted numbers, or the mean of both where there are two.
  var median: Double {
    let sorted = self.sorted()
    return (sorted[count / 2] + sorted[(count - 1) / 2]) / 2
  }
}
