/// Training steps on pictures of noise, to measure what a run would take. All else is as in a run.
public final class TrainingBenchmark {
  /// A part of a step whose time is taken.
  public enum Figure: String, Sendable, CaseIterable {
    /// From noisy latents to the loss, with nothing kept for derivatives.
    case forward
    /// From noisy latents to the gradients, or to the updated weights where the backward pass updates them.
    case forwardAndBackward = "forward-backward"
    /// A whole step: also clipping and AdamW.
    case step
  }

  /// What is measured.
  public struct Options: Sendable {
    /// The parts of a step that are measured. Without the whole step there is no optimiser, nor its memory.
    public var figures = Set(Figure.allCases)
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

  /// What was measured.
  public struct Times: Sendable {
    /// The median of each figure in seconds.
    public let seconds: [Figure: Double]
    /// The most that tensors took at a time in the widest of the figures, in bytes.
    public let peakByteCount: Int
  }

  private let backend: any Backend
  private let figures: Set<Figure>
  private let session: TrainingSession?
  private let forward, forwardAndBackward: RecordedStep

  /// How often work is carried out before it counts: a device that records rehearses it twice and records it the third
  /// time; the CPU has all it needs after the first.
  private var warmUps: Int { backend is CPUBackend ? 1 : 3 }

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
    let model = try TrainingModel(folder, configuration, on: backend, recordsSteps: options.recordsSteps)
    let preparation = TrainingPreparation(
      configuration: configuration, model: model, seed: options.seed, observer: { _ in })
    func pictures() -> TrainingPictures {
      TrainingPictures(noise: configuration.trainBatchSize, resolution: options.resolution, seed: options.seed)
    }
    let data = preparation.data(pictures(), configuration.withPriorPreservation ? pictures() : nil)
    let needsOptimizer = options.figures.contains(.step) || options.fusedBackwardPass
    session =
      needsOptimizer
      ? TrainingSession(
        model.networks, configuration, stepCount: .max, isRecorded: options.recordsSteps, load: data.load,
        batch: data.batch.callAsFunction) : nil
    if !needsOptimizer { data.load(0) }
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
    figures = options.figures
  }

  /// Measures `count` calls of each figure, after a few that are not counted.
  ///
  /// - Throws: `TrainingError` where the loss is no number any more.
  public func measure(count: Int) throws -> Times {
    var seconds: [Figure: Double] = [:]
    var peak: Int?
    // The widest comes first, because the memory reported is its own.
    for figure in Figure.allCases.reversed() where figures.contains(figure) {
      seconds[figure] = try median(figure, count)
      peak = peak ?? backend.memory.peak
    }
    return Times(seconds: seconds, peakByteCount: peak ?? 0)
  }

  private func median(_ figure: Figure, _ count: Int) throws -> Double {
    let work =
      switch figure {
      case .forward: forward.run
      case .forwardAndBackward: forwardAndBackward.run
      case .step: step
      }
    for _ in 0..<warmUps { try work() }
    return try backend.seconds(count, work).median
  }

  /// Takes the steps in which the device prepares what the others find.
  ///
  /// - Throws: `TrainingError` where the loss is no number any more.
  public func warmUp() throws {
    for _ in 0..<warmUps { try step() }
  }

  /// Takes one optimiser step. As in a run, the device may still be at it when this returns.
  ///
  /// - Throws: `TrainingError` where the loss is no number any more.
  public func step() throws {
    guard let session else { fatalError("TrainingBenchmark: a step is not among the figures of this benchmark") }
    session.advance()
    while try session.nextRecord(waiting: false) != nil {}
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
