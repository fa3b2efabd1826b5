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
    /// From pixels to the distribution of their latents, of one picture, as training encodes them.
    public let encode: Double
    /// From the ids of the prompts and of as many empty prompts to the states.
    public let textEncoder: Double
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
    let decode = median(count) { _ = pipeline.decode(latents) }
    let pixels = pixels()
    let encode = median(count) { _ = pipeline.autoencoder.encode(pixels) }
    let ids = ids()
    // Far shorter than the others, and so measured more often.
    let textEncoder = median(10 * count) { withoutRecording { _ = pipeline.textEncoder(ids) } }
    return Times(
      step: steps.map { $0.begin.seconds(until: $0.end) }.median, sample: samples.median, decode: decode,
      encode: encode, textEncoder: textEncoder, peakByteCount: peak)
  }

  private func median(_ count: Int, _ work: () -> Void) -> Double {
    work()
    return pipeline.backend.seconds(count, work).median
  }

  /// A picture of noise, [1, height, width, channels].
  private func pixels() -> Tensor {
    let shape: Shape = [1, request.height ?? 0, request.width ?? 0, pipeline.autoencoder.configuration.inputChannels]
    let draw = Tensor([Int32(0)], [], on: pipeline.backend)
    return Tensor.uniform(shape, RandomStream(seed: 0, stream: 0), draw: draw).affine(scale: 2, shift: -1)
  }

  /// The ids of the empty prompts and of the prompts, [2 · prompts, tokens].
  private func ids() -> Tensor {
    let ids = (request.prompts.map { _ in "" } + request.prompts).flatMap { pipeline.tokenizer.encode($0) }
    return Tensor(ids, [2 * request.prompts.count, pipeline.tokenizer.maximumLength], on: pipeline.backend)
  }
}
