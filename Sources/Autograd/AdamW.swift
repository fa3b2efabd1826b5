/// AdamW (Loshchilov and Hutter, 2019) with clipping of the global gradient norm, as torch.optim.AdamW after
/// torch.nn.utils.clip_grad_norm_.
///
/// Gradients of a half type may need a loss that is scaled up, lest the small ones vanish. The scale follows the rule of
/// torch.amp.GradScaler (Micikevicius et al., 2018) and lives on the device: `backward` starts from `scaled(seed)`, and
/// the scale is divided out of the gradients where they are read. A step whose gradients are not finite changes no
/// parameter, whether the loss is scaled or not.
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
  /// The running means of the gradients, one arena for each store.
  public let moments1: [Tensor]
  /// The running means of the squared gradients, one arena for each store.
  public let moments2: [Tensor]
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

  /// An optimiser that has taken no step.
  ///
  /// - Parameters:
  ///   - maximumGradientNorm: gradients are scaled down together to this norm; infinity leaves them alone.
  ///   - lossScaling: how the loss is scaled, if it is; gradients in Float16 need it.
  public init(
    _ stores: [ParameterStore], _ constants: AdamWConstants = AdamWConstants(), maximumGradientNorm: Float,
    lossScaling: LossScaling? = nil
  ) {
    require(!stores.isEmpty, "AdamW: there is nothing to train")
    self.stores = stores
    self.constants = constants
    self.maximumGradientNorm = maximumGradientNorm
    self.lossScaling = lossScaling
    let backend = stores[0].backend
    moments1 = stores.map { Tensor(repeating: 0, $0.values.shape, on: backend) }
    moments2 = stores.map { Tensor(repeating: 0, $0.values.shape, on: backend) }
    rates = Tensor(repeating: 0, [3], on: backend)
    clipping = Tensor(repeating: 1, [], on: backend)
    lossScale = Tensor(repeating: lossScaling?.initialScale ?? 1, [], on: backend)
    updates = Tensor([Int32(0)], [], on: backend)
    goodSteps = Tensor([Int32(0)], [], on: backend)
  }

  /// The derivative that `backward` starts from, multiplied by the scale of the loss on the device.
  public func scaled(_ seed: Tensor) -> Tensor { lossScaling == nil ? seed : seed * lossScale }

  /// Counts a step and hands the device its learning rate.
  public func prepareStep(learningRate: Double) {
    stepCount += 1
    rates.rows(0..<1).assign([Float(learningRate)])
  }

  /// Clips the gradients, updates every trainable parameter at the rate that was prepared, and clears the gradients.
  ///
  /// Nothing is uploaded or waited for, so that the step can be recorded.
  ///
  /// - Returns: the norm of all gradients before clipping, without the scale of the loss, one Float32 on the device. If it
  ///   is not finite the step was skipped.
  public func step() -> Tensor {
    let backend = clipping.backend
    let norm = clip()
    backend.countStep(constants, clipping: clipping, steps: updates, rates: rates)
    for (index, store) in stores.enumerated() {
      backend.adamW(
        constants, rates: rates, clipping: clipping, gradient: store.totalGradients, parameter: store.values,
        moment1: moments1[index], moment2: moments2[index], shadow: store.shadow)
      store.clearGradients()
    }
    if let lossScaling {
      backend.updateScale(lossScaling, clipping: clipping, scale: lossScale, goodSteps: goodSteps)
    }
    return norm
  }

  /// Prepares a step and takes it.
  ///
  /// - Returns: the norm of all gradients before clipping, one Float32 on the device.
  @discardableResult
  public func step(learningRate: Double) -> Tensor {
    prepareStep(learningRate: learningRate)
    return step()
  }

  /// Measures the norm of all gradients and sets the factor they are read through.
  private func clip() -> Tensor {
    let backend = clipping.backend
    let total = Tensor(repeating: 0, [], on: backend)
    for store in stores { backend.sumOfSquares(store.totalGradients, into: .accumulate(total)) }
    backend.clippingFactor(total, scale: lossScale, maximumNorm: maximumGradientNorm, into: clipping)
    let norm = total.unary(.squareRoot)
    return lossScaling == nil ? norm : norm / lossScale
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
