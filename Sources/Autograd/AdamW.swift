/// AdamW (Loshchilov and Hutter, 2019) with clipping of the global gradient norm, as torch.optim.AdamW after
/// torch.nn.utils.clip_grad_norm_.
///
/// Gradients of a half type may need a loss that is scaled up, lest the small ones vanish. The scale follows the rule of
/// torch.amp.GradScaler (Micikevicius et al., 2018) and lives on the device: `backward` starts from `scaled(seed)`, and
/// the scale is divided out of the gradients where they are read. A step whose gradients are not finite changes no
/// parameter, whether the loss is scaled or not.
///
/// Three ways to save memory can be combined. Moments may be kept in 8 bits (Dettmers et al., 2022). Parameters in
/// BFloat16 alone are rounded at random. And where the stores keep gradients only until they are complete, each parameter
/// takes its step during the backward pass: gradients then cannot be clipped to a common norm, and only those parameters
/// skip a step whose own gradients are not finite.
public final class AdamW {
  /// What has to be remembered, besides parameters and moments, to go on as if nothing had happened.
  public struct State: Sendable, Hashable, Codable {
    /// The steps that changed the parameters; those that were skipped do not count.
    public var updates: Int
    /// The scale of the loss; `nil` where it is not scaled.
    public var lossScale: Float?
    /// The steps since the scale was last changed.
    public var goodSteps: Int?

    /// The state after `updates` steps.
    public init(updates: Int, lossScale: Float? = nil, goodSteps: Int? = nil) {
      self.updates = updates
      self.lossScale = lossScale
      self.goodSteps = goodSteps
    }

    /// Whether an optimiser can be in this state after so many steps; one that was read may say anything.
    public func isPossible(after stepCount: Int) -> Bool {
      let scale = lossScale ?? 1
      return (0...stepCount).contains(updates) && scale > 0 && scale.isFinite
        && (0...stepCount).contains(goodSteps ?? 0)
    }

    enum CodingKeys: String, CodingKey {
      case updates
      case lossScale = "loss_scale"
      case goodSteps = "good_steps"
    }
  }

  /// The models that are trained; their gradients share one norm.
  public let stores: [ParameterStore]
  /// The running means of the gradients in Float32, one arena for each store; none where they are kept in 8 bits.
  public let moments1: [Tensor]
  /// The running means of the squared gradients in Float32, one arena for each store; none where they are kept in 8 bits.
  public let moments2: [Tensor]
  /// Both in 8 bits, for each store; none where they are kept in Float32.
  public let quantizedMoments: [QuantizedMoments]
  /// How many steps have been taken, those included that were skipped.
  public private(set) var stepCount = 0
  /// What the loss is multiplied by in the next step, one Float32 on the device; 1 where it is not scaled.
  public let lossScale: Tensor

  private let constants: AdamWConstants
  private let maximumGradientNorm: Float
  private let lossScaling: LossScaling?
  private let rates: Tensor
  private let clipping: Tensor
  private let updates: Tensor
  private let goodSteps: Tensor
  /// Where the numbers of each store begin in the random draw that rounds them.
  private let draws: [(stream: RandomStream, first: Int)]
  /// The sum of the squares of all gradients.
  private let squaredNorm: Tensor
  /// Whether the stores hand over gradients during the backward pass.
  private let stepsInBackward: Bool
  private var isUnderWay = false

  /// An optimiser that has taken no step.
  ///
  /// - Parameters:
  ///   - maximumGradientNorm: gradients are scaled down together to this norm; infinity leaves them alone.
  ///   - lossScaling: how the loss is scaled, if it is; gradients in Float16 need it.
  ///   - quantizesMoments: whether moments are kept in 8 bits.
  ///   - rounding: the random numbers that round parameters which exist in BFloat16 alone; they need them.
  public init(
    _ stores: [ParameterStore], _ constants: AdamWConstants = AdamWConstants(), maximumGradientNorm: Float,
    lossScaling: LossScaling? = nil, quantizesMoments: Bool = false, rounding: RandomStream? = nil
  ) {
    require(!stores.isEmpty, "AdamW: there is nothing to train")
    let stepsInBackward = stores[0].passingGradients != nil
    require(
      stores.allSatisfy { ($0.passingGradients != nil) == stepsInBackward },
      "AdamW: some stores keep their gradients and others do not")
    require(
      !stepsInBackward || maximumGradientNorm == .infinity && lossScaling == nil,
      "AdamW: gradients that are not kept can neither be clipped together nor come from a scaled loss")
    require(
      rounding != nil || stores.allSatisfy { $0.values.dtype == .float32 },
      "AdamW: parameters in BFloat16 alone need random numbers that round them")
    self.stores = stores
    self.constants = constants
    self.maximumGradientNorm = maximumGradientNorm
    self.lossScaling = lossScaling
    let backend = stores[0].backend
    func zeros() -> [Tensor] {
      quantizesMoments ? [] : stores.map { Tensor(repeating: 0, $0.values.shape, on: backend) }
    }
    moments1 = zeros()
    moments2 = zeros()
    quantizedMoments =
      quantizesMoments ? stores.map { QuantizedMoments(zeros: $0.values.count, on: backend) } : []
    rates = Tensor(repeating: 0, [3], on: backend)
    clipping = Tensor(repeating: 1, [], on: backend)
    lossScale = Tensor(repeating: lossScaling?.initialScale ?? 1, [], on: backend)
    updates = Tensor([Int32(0)], [], on: backend)
    goodSteps = Tensor([Int32(0)], [], on: backend)
    squaredNorm = Tensor(repeating: 0, [], on: backend)
    var first = 0
    draws = stores.compactMap { store in
      defer { first += store.values.count }
      return rounding.map { ($0, first) }
    }
    self.stepsInBackward = stepsInBackward
    for (index, store) in stores.enumerated() {
      store.passingGradients?.take = { [unowned self] range, gradient in take(gradient, index, range) }
    }
  }

  /// The derivative that `backward` starts from, multiplied by the scale of the loss on the device.
  public func scaled(_ seed: Tensor) -> Tensor { lossScaling == nil ? seed : seed * lossScale }

  /// The bytes of all moments on the device.
  public var momentByteCount: Int {
    let quantized = quantizedMoments.flatMap { [$0.codes1, $0.scales1, $0.codes2, $0.scales2] }
    return (moments1 + moments2 + quantized).reduce(0) { $0 + $1.byteCount }
  }

  /// Counts a step and hands the device its learning rate; where parameters take their steps during the backward pass,
  /// before that begins.
  public func prepareStep(learningRate: Double) {
    stepCount += 1
    rates.rows(0..<1).assign([Float(learningRate)])
  }

  /// Clips the gradients, updates every trainable parameter at the rate that was prepared, and clears the gradients; or
  /// does what the backward pass has left to do.
  ///
  /// Nothing is uploaded or waited for, so that the step can be recorded.
  ///
  /// - Returns: the norm of all gradients before clipping, without the scale of the loss, one Float32 on the device. If it
  ///   is not finite the step was skipped, or, after steps in the backward pass, was skipped by some parameters.
  public func step() -> Tensor {
    begin()
    let backend = clipping.backend
    if stepsInBackward {
      for store in stores { store.passingGradients?.completeAll() }
    } else {
      for store in stores { backend.sumOfSquares(store.totalGradients, into: .accumulate(squaredNorm)) }
      backend.clippingFactor(squaredNorm, scale: lossScale, maximumNorm: maximumGradientNorm, into: clipping)
      backend.countStep(constants, clipping: clipping, steps: updates, rates: rates)
      for (index, store) in stores.enumerated() { update(index, 0..<store.values.count, store.totalGradients) }
    }
    for store in stores { store.clearGradients() }
    isUnderWay = false
    let norm = squaredNorm.unary(.squareRoot)
    guard let lossScaling else { return norm }
    // Before the scale moves on, as it is that of this step.
    let unscaled = norm / lossScale
    backend.updateScale(lossScaling, clipping: clipping, scale: lossScale, goodSteps: goodSteps)
    return unscaled
  }

  /// Prepares a step and takes it.
  ///
  /// - Returns: the norm of all gradients before clipping, one Float32 on the device.
  @discardableResult
  public func step(learningRate: Double) -> Tensor {
    require(!stepsInBackward, "AdamW: a step in the backward pass is prepared before it")
    prepareStep(learningRate: learningRate)
    return step()
  }

  /// Begins a step, if it has not begun: in a backward pass when the first gradient is complete.
  private func begin() {
    guard !isUnderWay else { return }
    require(stepCount > 0, "AdamW: a step is taken that was not prepared")
    isUnderWay = true
    let backend = clipping.backend
    backend.fill(0, into: squaredNorm)
    guard stepsInBackward else { return }
    backend.fill(1, into: clipping)
    backend.countStep(constants, clipping: clipping, steps: updates, rates: rates)
  }

  /// Updates one parameter by a gradient that is complete and goes away.
  private func take(_ gradient: Tensor, _ index: Int, _ range: Range<Int>) {
    begin()
    let backend = clipping.backend
    let square = gradient.sumOfSquares()
    backend.cast(square, into: .accumulate(squaredNorm))
    backend.clippingFactor(square, scale: lossScale, maximumNorm: .infinity, into: clipping)
    update(index, range, gradient.reshaped([gradient.count]))
  }

  /// Updates a range of a store's parameters.
  private func update(_ index: Int, _ range: Range<Int>, _ gradient: Tensor) {
    let (store, backend, shape) = (stores[index], clipping.backend, Shape([range.count]))
    func part(_ arena: Tensor) -> Tensor { arena.part(at: range.lowerBound, shape) }
    let rounding =
      store.values.dtype == .float32
      ? nil : StochasticRounding(draws[index].stream, draw: updates, first: draws[index].first + range.lowerBound)
    if quantizedMoments.isEmpty {
      backend.adamW(
        constants, rates: rates, clipping: clipping, gradient: gradient, parameter: part(store.values),
        moment1: part(moments1[index]), moment2: part(moments2[index]), shadow: store.shadow.map(part),
        rounding: rounding)
    } else {
      backend.adamWQuantized(
        constants, rates: rates, clipping: clipping, gradient: gradient, parameter: part(store.values),
        moments: quantizedMoments[index].part(at: range.lowerBound, count: range.count),
        shadow: store.shadow.map(part), rounding: rounding)
    }
  }
}

// MARK: - Going on later

extension AdamW {
  /// What has to be remembered, waiting for the device.
  public var state: State {
    State(
      updates: Int(updates.array(Int32.self)[0]), lossScale: lossScaling.map { _ in lossScale.scalar },
      goodSteps: lossScaling.map { _ in Int(goodSteps.array(Int32.self)[0]) })
  }

  /// Goes on after `stepCount` steps of an earlier run, whose moments have been put in place.
  ///
  /// A scale that the earlier run had no use for begins anew, and one that this run has no use for is forgotten.
  public func resume(after stepCount: Int, _ state: State) {
    self.stepCount = stepCount
    updates.assign([Int32(state.updates)])
    guard let lossScaling else { return }
    lossScale.assign([state.lossScale ?? lossScaling.initialScale])
    goodSteps.assign([Int32(state.goodSteps ?? 0)])
  }
}
