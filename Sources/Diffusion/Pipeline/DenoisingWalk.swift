/// The work of walks from noise to latents of the same extents, recorded once for all of them.
///
/// Predicting and moving on are recorded apart: the prediction is the same for all samplers and in all steps, while a
/// sampler's transitions may take several forms.
final class DenoisingWalk {
  private let walk: SamplerWalk
  /// Int32, one for each sample that the UNet is given.
  private let timesteps: Tensor
  /// What the text encoder made of the prompts, with guidance those of the negative prompts first.
  private let states: Tensor
  /// The strength of the guidance, [1].
  private let guidance: Tensor
  /// What the UNet predicted, guidance included.
  private let prediction: Tensor
  private let predict: RecordedStep
  private var transitions: [AnyHashable: RecordedStep] = [:]
  private let isRecorded: Bool
  /// The end of the step before the last one.
  private var previousEnd: (any PendingDownload)?

  /// A place for walks.
  ///
  /// - Parameters:
  ///   - shape: the latents', [batch, height, width, channels].
  ///   - states: text states of the extents that all walks have; twice as many as there are latents mean guidance.
  init(
    _ unet: UNet2DConditionModel, _ shape: Shape, states: Tensor, memoryCount: Int, isRecorded: Bool,
    on backend: any Backend
  ) {
    let walk = SamplerWalk(shape, memoryCount: memoryCount, on: backend)
    let states = states.emptyLike()
    let timesteps = Tensor(empty: [states.shape[0]], dtype: .int32, on: backend)
    let guidance = Tensor(empty: [1], on: backend)
    let prediction = Tensor(empty: shape, on: backend)
    (self.walk, self.states, self.timesteps, self.guidance) = (walk, states, timesteps, guidance)
    (self.prediction, self.isRecorded) = (prediction, isRecorded)
    predict = RecordedStep(on: backend, isRecorded: isRecorded) {
      let batch = shape[0]
      let isGuided = states.shape[0] > batch
      let input = isGuided ? Tensor.concatenated([walk.sample, walk.sample], axis: 0) : walk.sample
      let output = unet(Variable(input), timesteps: timesteps, encoderHiddenStates: Variable(states)).value.cast(
        to: prediction.dtype)
      guard isGuided else { return prediction.assign(output) }
      let (negative, positive) = (output.rows(0..<batch), output.rows(batch..<2 * batch))
      prediction.assign(negative + guidance * (positive - negative))
    }
  }

  /// The latents at the moment, [batch, height, width, channels].
  var sample: Tensor { walk.sample }

  /// Goes to the beginning of a walk.
  func begin(at start: Tensor, _ states: Tensor, guidanceScale: Float) {
    walk.sample.assign(start)
    self.states.assign(states)
    guidance.assign([guidanceScale])
  }

  /// Sets the next step going, without running ahead of the device by more than a step.
  func step(from timestep: Int, _ transition: Transition, noise: NoiseSource) {
    timesteps.assign([Int32](repeating: Int32(timestep), count: timesteps.count))
    predict.run()
    walk.prepare(transition, noise: noise)
    recorded(transition.form).run()
    let end = walk.sample.backend.beginDownload(guidance)
    _ = previousEnd?.floats()
    previousEnd = end
  }

  private func recorded(_ form: any TransitionForm) -> RecordedStep {
    if let known = transitions[AnyHashable(form)] { return known }
    let (walk, prediction) = (walk, prediction)
    let step = RecordedStep(on: prediction.backend, isRecorded: isRecorded) { walk.take(form, prediction) }
    transitions[AnyHashable(form)] = step
    return step
  }
}

/// Keeps the last walk for the next pictures of the same extents: hundreds of class pictures are made one batch after
/// the other.
final class DenoisingWalks {
  private struct Extents: Hashable {
    let latents, states: Shape
    let statesType: DType
    let memoryCount: Int
  }

  private let unet: UNet2DConditionModel
  private let backend: any Backend
  private let isRecorded: Bool
  private var last: (extents: Extents, walk: DenoisingWalk)?

  init(_ unet: UNet2DConditionModel, on backend: any Backend, isRecorded: Bool) {
    self.unet = unet
    self.backend = backend
    self.isRecorded = isRecorded
  }

  /// A walk for latents [batch, height, width, channels] and text states like the given ones.
  func walk(_ shape: Shape, states: Tensor, memoryCount: Int) -> DenoisingWalk {
    let extents = Extents(
      latents: shape, states: states.shape, statesType: states.dtype, memoryCount: memoryCount)
    if let last, last.extents == extents { return last.walk }
    // Before the next one takes memory.
    last = nil
    let walk = DenoisingWalk(
      unet, shape, states: states, memoryCount: memoryCount, isRecorded: isRecorded, on: backend)
    last = (extents, walk)
    return walk
  }

  /// Gives the memory of the last walk back.
  func forget() { last = nil }
}
