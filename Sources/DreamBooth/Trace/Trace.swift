import Foundation

/// One or more training steps on given numbers, with everything that comes out of them, so that they can be held
/// against PyTorch.
public struct Trace: Sendable {
  /// What is traced.
  public struct Options: Sendable, Hashable {
    /// Whether the text encoder is trained along with the UNet.
    public var trainTextEncoder = false
    /// The factor on the loss of the second half of the batch, the class pictures; `nil` without prior preservation.
    public var priorLossWeight: Float?
    /// Whether activations are computed twice instead of being kept.
    public var gradientCheckpointing = false
    /// The constant learning rate of the optimiser steps.
    public var learningRate = 5e-6
    /// How many optimiser steps are taken on the same numbers; none where left out.
    public var steps: Int?
    /// The adapters that are trained, from these numbers on, instead of the networks' own weights.
    public var lora: LoRA?
    /// The new words that are trained, from these vectors on, instead of the networks' own weights.
    public var words: [TextualInversion] = []
    /// The type that the networks compute in. The loss is not scaled.
    public var computeType = DType.float32

    /// One forward and one backward pass through the UNet.
    public init() {}
  }

  /// The norm that gradients are clipped to before an optimiser step.
  private static let maximumGradientNorm: Float = 1

  private let folder: ModelFolder
  private let options: Options
  private let backend: any Backend

  /// A trace of a model.
  public init(_ folder: ModelFolder, _ options: Options = Options(), on backend: any Backend) {
    self.folder = folder
    self.options = options
    self.backend = backend
  }

  /// Reads one file of numbers and writes another, both in PyTorch's layout.
  ///
  /// `input` holds `latents` or `pixel_values`, `noise`, `timesteps` and `input_ids`. `output` gets
  /// `encoder_hidden_states`, `model_pred`, `target`, `loss`, `loss.instance`, `loss.prior` and the gradient of every
  /// trained parameter before clipping, `grad.unet.<key>` and `grad.text_encoder.<key>`; for pixels also `latents`, the
  /// mean of the posterior times the scaling factor, and `vae.decoded`; with optimiser steps also the `losses` of all
  /// of them and the parameters after the last, `param.unet.<key>` and `param.text_encoder.<key>`.
  ///
  /// - Throws: `TraceError`, or what is wrong with the model or the files.
  public func run(input: URL, output: URL) throws {
    let trainsWeights = options.lora == nil && options.words.isEmpty
    let (unet, unetParameters) = try folder.loadUNet(
      on: backend, computeType: options.computeType, additions: adapters(for: .unet)
    ) { _ in trainsWeights }
    var tokenizer = try folder.loadTokenizer()
    let newTokens = try options.words.newTokens(
      in: &tokenizer, isTrained: true, width: folder.textConfiguration.hiddenSize)
    let inputs = try TraceInputs(
      input, for: folder, newTokenCount: options.words.reduce(0) { $0 + $1.count }, timestepCount: unet.timestepCount,
      isSplit: options.priorLossWeight != nil, on: backend)
    let (latents, pictureItems) = try encode(inputs)
    let trainsText = options.trainTextEncoder
    let additions: [any ModelAddition] = adapters(for: .textEncoder) + (newTokens.map { [$0] } ?? [])
    let (textEncoder, textParameters) = try folder.loadTextEncoder(
      on: backend, computeType: options.computeType, additions: additions
    ) { _ in trainsText && trainsWeights }
    let prompts = textEncoder.prompts(inputs.ids)

    let parts = [TrainedPart(.unet, unetParameters), TrainedPart(.textEncoder, textParameters)]
      .filter { !$0.parameters.trainable.isEmpty }
    let denoise = makeStep(unet, batch: latents.shape[0])
    let walk = TraceWalk(parts, learningRate: options.learningRate, maximumGradientNorm: Trace.maximumGradientNorm) {
      let states = textEncoder(prompts, checkpointing: options.gradientCheckpointing)
      let result = denoise(
        DenoisingStep.Batch(
          latents: latents, noise: inputs.noise, timesteps: inputs.timesteps, encoderHiddenStates: states))
      return (states.value, result)
    }
    try AtomicFolder.makeIfMissing(output.deletingLastPathComponent())
    try SafetensorsWriter.write(pictureItems + walk.items(steps: options.steps), to: output)
  }

  /// The latents as they are fed to the noise and, where they come from pixels, what is written of them.
  private func encode(_ inputs: TraceInputs) throws -> (latents: Tensor, items: [TensorItem]) {
    guard inputs.isPixels else { return (inputs.start, []) }
    let autoencoder = try folder.loadAutoencoder(on: backend, computeType: options.computeType).model
    let means = autoencoder.encode(inputs.start).mean
    let latents = means * autoencoder.configuration.scalingFactor
    let decoded = withoutRecording { autoencoder.decode(Variable(means)).value }
    return (
      latents,
      [TensorItem("latents", latents.channelsFirst()), TensorItem("vae.decoded", decoded.channelsFirst())]
    )
  }

  private func adapters(for part: ModelPart) -> [LowRankAdapters] {
    let isTrained = part == .unet || options.trainTextEncoder
    return options.lora.map { [$0.adapters(for: part, named: "default", isTrained: isTrained)] } ?? []
  }

  private func makeStep(_ unet: UNet2DConditionModel, batch: Int) -> DenoisingStep {
    let classCount = options.priorLossWeight == nil ? 0 : batch / 2
    let loss = PriorPreservationLoss(
      instanceCount: batch - classCount, classCount: classCount, weight: options.priorLossWeight ?? 0, on: backend)
    return DenoisingStep(
      unet, folder.schedulerConfiguration, loss, checkpointing: options.gradientCheckpointing, on: backend)
  }
}
