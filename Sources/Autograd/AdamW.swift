import Foundation

/// AdamW (Loshchilov and Hutter, 2019) with clipping of the global gradient norm, as torch.optim.AdamW after
/// torch.nn.utils.clip_grad_norm_.
public final class AdamW {
  /// The models that are trained; their gradients share one norm.
  public let stores: [ParameterStore]
  /// The running means of the gradients, one arena for each store.
  public let moments1: [Tensor]
  /// The running means of the squared gradients, one arena for each store.
  public let moments2: [Tensor]
  /// How many steps have been taken.
  public var stepCount = 0

  private let constants: AdamWConstants
  private let maximumGradientNorm: Float
  private let rates: Tensor
  private let clipping: Tensor
  private let scale: Tensor

  /// An optimiser that has taken no step.
  ///
  /// - Parameter maximumGradientNorm: gradients are scaled down together to this norm; infinity leaves them alone.
  public init(_ stores: [ParameterStore], _ constants: AdamWConstants = AdamWConstants(), maximumGradientNorm: Float) {
    require(!stores.isEmpty, "AdamW: there is nothing to train")
    self.stores = stores
    self.constants = constants
    self.maximumGradientNorm = maximumGradientNorm
    let backend = stores[0].backend
    moments1 = stores.map { Tensor(repeating: 0, $0.values.shape, on: backend) }
    moments2 = stores.map { Tensor(repeating: 0, $0.values.shape, on: backend) }
    rates = Tensor(repeating: 0, [3], on: backend)
    clipping = Tensor(repeating: 1, [], on: backend)
    scale = Tensor(repeating: 1, [], on: backend)
  }

  /// Counts a step and hands the device what is different in each: the learning rate and the bias corrections.
  public func prepareStep(learningRate: Double) {
    stepCount += 1
    rates.assign([
      Float(learningRate), biasCorrection(constants.beta1), biasCorrection(constants.beta2),
    ])
  }

  /// Clips the gradients, updates every trainable parameter at the rate that was prepared, and clears the gradients.
  ///
  /// Nothing is uploaded or waited for, so that the step can be recorded.
  ///
  /// - Returns: the norm of all gradients before clipping, one Float32 on the device.
  public func step() -> Tensor {
    let norm = clip()
    for (index, store) in stores.enumerated() {
      store.backend.adamW(
        constants, rates: rates, clipping: clipping, gradient: store.totalGradients, parameter: store.values,
        moment1: moments1[index], moment2: moments2[index], shadow: store.shadow)
      store.clearGradients()
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
    backend.clippingFactor(total, scale: scale, maximumNorm: maximumGradientNorm, into: clipping)
    return total.unary(.squareRoot)
  }

  /// 1 - βᵗ, in double precision as PyTorch computes it.
  private func biasCorrection(_ beta: Double) -> Float { Float(1 - pow(beta, Double(stepCount))) }
}
