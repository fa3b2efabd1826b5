/// Pictures from text: the text is encoded, noise becomes latents step by step, latents become pixels (Rombach et
/// al., 2022).
///
/// Nothing is recorded for derivatives, whatever stands around the call. The work of a step is recorded on the device
/// and kept for the next pictures of the same extents, so a pipeline is used by one thread at a time.
public struct TextToImage {
  /// Text to ids.
  public let tokenizer: CLIPTokenizer
  /// Ids to states.
  public let textEncoder: TextEncoder
  /// Noisy latents and states to a prediction.
  public let unet: UNet2DConditionModel
  /// Latents to pixels.
  public let autoencoder: AutoencoderKL
  /// The device.
  public let backend: any Backend

  private let walks: DenoisingWalks

  /// The height and width of a latent where neither the request nor the UNet's configuration says one.
  private static let defaultLatentSide = 64

  /// A pipeline of parts that are at hand, all on one device.
  ///
  /// - Parameter recordsSteps: whether the device records the work of a step and replays it. That is faster where there
  ///   are many small computations, and changes no number.
  public init(
    tokenizer: CLIPTokenizer, textEncoder: TextEncoder, unet: UNet2DConditionModel, autoencoder: AutoencoderKL,
    on backend: any Backend, recordsSteps: Bool = true
  ) {
    self.tokenizer = tokenizer
    self.textEncoder = textEncoder
    self.unet = unet
    self.autoencoder = autoencoder
    self.backend = backend
    walks = DenoisingWalks(unet, on: backend, isRecorded: recordsSteps)
  }

  /// Reads all parts from a model's folder.
  ///
  /// - Parameters:
  ///   - computeType: the floating-point type that the networks compute in; latents and pixels are Float32.
  ///   - loras: what is added to the networks' layers.
  ///   - words: new words that prompts may use.
  ///   - recordsSteps: whether the device records the work of a step and replays it.
  /// - Throws: what is wrong with the folder, or `LoRAError`, `TextualInversionError` or `TokenizerError` where an
  ///   addition does not go with it.
  public init(
    _ folder: ModelFolder, on backend: any Backend, computeType: DType = .float32, loras: [ScaledLoRA] = [],
    words: [TextualInversion] = [], recordsSteps: Bool = true
  ) throws {
    var tokenizer = try folder.loadTokenizer()
    let newTokens = try words.newTokens(in: &tokenizer, width: folder.textConfiguration.hiddenSize)
    let additions: [any ModelAddition] = loras.adapters(for: .textEncoder) + (newTokens.map { [$0] } ?? [])
    self.init(
      tokenizer: tokenizer,
      textEncoder: try folder.loadTextEncoder(on: backend, computeType: computeType, additions: additions).model,
      unet: try folder.loadUNet(on: backend, computeType: computeType, additions: loras.adapters(for: .unet)).model,
      autoencoder: try folder.loadAutoencoder(on: backend, computeType: computeType).model, on: backend,
      recordsSteps: recordsSteps)
  }

  /// Makes pictures.
  ///
  /// - Parameters:
  ///   - scheduler: the sampler.
  ///   - progress: called after each prediction; what it throws ends the walk.
  /// - Throws: `TextToImageError`, `SchedulerError`, or what `progress` throws.
  public func callAsFunction(
    _ request: TextToImageRequest, scheduler: any Scheduler,
    progress: (TextToImageProgress) throws -> Void = { _ in }
  ) throws -> GeneratedPictures {
    let latents = try latents(request, scheduler: scheduler, progress: progress)
    return GeneratedPictures(latents: latents, pixels: decode(latents))
  }

  /// Makes latents and leaves them undecoded: [batch, channels, height, width] in PyTorch's order.
  ///
  /// - Parameters:
  ///   - scheduler: the sampler.
  ///   - progress: called after each prediction; what it throws ends the walk.
  /// - Throws: `TextToImageError`, `SchedulerError`, or what `progress` throws.
  public func latents(
    _ request: TextToImageRequest, scheduler: any Scheduler,
    progress: (TextToImageProgress) throws -> Void = { _ in }
  ) throws -> Tensor {
    let shape = try latentShape(request)
    try checkCounts(request)
    guard request.guidanceScale.isFinite else { throw TextToImageError.wrongGuidance(request.guidanceScale) }
    var scheduler = scheduler
    try scheduler.setTimesteps(request.steps)
    return try withoutRecording {
      let states = encode(request)
      let walk = walks.walk(shape, states: states, memoryCount: scheduler.memoryCount)
      var noise = LatentNoise(seeds: request.seeds)
      let start = try request.latents.map { try channelsLast($0, shape) } ?? noise.draw(shape, on: backend)
      walk.begin(at: start * scheduler.initialNoiseSigma, states, guidanceScale: request.guidanceScale)
      let timesteps = scheduler.timesteps
      for (index, timestep) in timesteps.enumerated() {
        walk.step(from: timestep, scheduler.transition(after: index)) { noise.draw($0, on: backend) }
        try progress(
          TextToImageProgress(
            step: index + 1, stepCount: timesteps.count, timestep: timestep, sample: walk.sample.copied()))
      }
      return walk.sample.channelsFirst()
    }
  }

  /// Gives back the memory that is kept for the next pictures of the same extents.
  public func forgetRecordings() { walks.forget() }

  /// Turns latents [batch, channels, height, width] into pictures [batch, height, width, 3], about -1...1.
  ///
  /// One at a time: the autoencoder's activations at full size are the largest tensors of all.
  public func decode(_ latents: Tensor) -> Tensor {
    withoutRecording {
      let scaled = latents.channelsLast().divided(by: autoencoder.configuration.scalingFactor)
      let pictures = (0..<scaled.shape[0]).map { autoencoder.decode(Variable(scaled.rows($0..<$0 + 1))).value }
      return Tensor.concatenated(pictures, axis: 0)
    }
  }
}

// MARK: - Steps of the walk

extension TextToImage {
  /// The text states, [batch, tokens, width]; with guidance those of the negative prompts come first.
  private func encode(_ request: TextToImageRequest) -> Tensor {
    var texts = request.prompts
    if request.isGuided {
      let negative = request.negativePrompts.isEmpty ? [""] : request.negativePrompts
      texts = (negative.count == 1 ? request.prompts.map { _ in negative[0] } : negative) + texts
    }
    return textEncoder(textEncoder.prompts(texts.map(tokenizer.encode))).value
  }

  /// [batch, height, width, channels] of the latents that a request calls for.
  private func latentShape(_ request: TextToImageRequest) throws(TextToImageError) -> Shape {
    guard !request.prompts.isEmpty else { throw .noPrompts }
    let channels = autoencoder.configuration.latentChannels
    let factor = autoencoder.configuration.downFactor
    func extent(_ side: String, _ pixels: Int?, _ trained: Int?) throws(TextToImageError) -> Int {
      guard let pixels else { return trained ?? Self.defaultLatentSide }
      guard pixels > 0, pixels.isMultiple(of: factor) else {
        throw .wrongSize(side: side, pixels: pixels, multipleOf: factor)
      }
      return pixels / factor
    }
    let height = try extent("height", request.height, unet.configuration.sampleHeight)
    let width = try extent("width", request.width, unet.configuration.sampleWidth)
    return [request.prompts.count, height, width, channels]
  }

  private func checkCounts(_ request: TextToImageRequest) throws(TextToImageError) {
    let prompts = request.prompts.count
    for (name, count) in [("negative prompts", max(request.negativePrompts.count, 1)), ("seeds", request.seeds.count)]
    where count != 1 && count != prompts {
      throw .wrongCount(of: name, count: count, prompts: prompts)
    }
  }

  private func channelsLast(_ latents: Tensor, _ shape: Shape) throws(TextToImageError) -> Tensor {
    let expected: Shape = [shape[0], shape[3], shape[1], shape[2]]
    guard latents.shape == expected else { throw .wrongLatents(found: latents.shape, expected: expected) }
    return latents.channelsLast()
  }
}

extension TextToImageRequest {
  /// Whether a step asks for two predictions.
  var isGuided: Bool { guidanceScale > 1 }
}
