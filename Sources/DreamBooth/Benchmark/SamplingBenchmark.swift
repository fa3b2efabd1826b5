/// Pictures of a prompt, to measure how long they take.
public struct SamplingBenchmark {
  /// What is measured.
  public struct Options: Sendable {
    /// The side of a picture in pixels.
    public var resolution = 512
    /// The pictures that are made together.
    public var batch = 1
    /// The steps of DDIM, at least two.
    public var steps = 50
    /// The floating-point type that the networks compute in.
    public var computeType = DType.float32
    /// Whether the device records a step and replays it, as it usually does.
    public var recordsSteps = true

    /// One picture of 512 pixels in fifty steps.
    public init() {}
  }

  /// How long things take, in seconds: medians.
  public struct Times: Sendable {
    /// One guided step: the UNet for the prompts and for the empty prompts in one batch, and the sampler's arithmetic.
    public let step: Double
    /// From the prompts to the latents.
    public let sample: Double
    /// From the latents to the pixels.
    public let decode: Double
    /// The most that tensors took at a time while the latents were made, in bytes.
    public let peakByteCount: Int
  }

  private let pipeline: TextToImage
  private let request: TextToImageRequest
  private let scheduler: any Scheduler

  /// A model ready to make pictures.
  ///
  /// - Throws: what is wrong with the model.
  public init(_ folder: ModelFolder, _ options: Options, on backend: any Backend) throws {
    pipeline = try TextToImage(
      folder, on: backend, computeType: options.computeType, recordsSteps: options.recordsSteps)
    scheduler = try folder.schedulerConfiguration.makeScheduler(named: .ddim)
    var request = TextToImageRequest(prompts: Array(repeating: "a photo of sks dog", count: options.batch))
    request.steps = options.steps
    request.height = options.resolution
    request.width = options.resolution
    self.request = request
  }

  /// Makes the pictures `count` times, after a time that is not counted.
  ///
  /// - Throws: `TextToImageError` where the options call for no picture.
  public func measure(count: Int) throws -> Times {
    let backend = pipeline.backend
    var latents = try pipeline.latents(request, scheduler: scheduler)
    var steps: [(begin: any DeviceMoment, end: any DeviceMoment)] = []
    let samples = try backend.seconds(count) {
      var last: (any DeviceMoment)?
      latents = try pipeline.latents(request, scheduler: scheduler) { _ in
        let moment = backend.now()
        // The first step comes after the text encoder, which is none of it.
        if let last { steps.append((last, moment)) }
        last = moment
      }
    }
    let peak = backend.memory.peak
    _ = pipeline.decode(latents)
    let decodings = backend.seconds(count) { _ = pipeline.decode(latents) }
    return Times(
      step: steps.map { $0.begin.seconds(until: $0.end) }.median, sample: samples.median, decode: decodings.median,
      peakByteCount: peak)
  }
}
