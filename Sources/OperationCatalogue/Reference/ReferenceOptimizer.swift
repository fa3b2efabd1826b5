import Foundation
import Tensor

extension Reference {
  /// Σ x².
  public static func sumOfSquares(_ x: Values) -> Values {
    var sum = BoundedSum()
    for element in x.elements { sum.add(element * element) }
    return Values([], [sum.total])
  }

  /// min(1, maximum / (norm / scale + 10⁻⁶)) / scale, as torch.nn.utils.clip_grad_norm_ of unscaled gradients.
  public static func clippingFactor(_ sumOfSquares: Bounded, scale: Bounded, maximumNorm: Float) -> Bounded {
    let norm = sumOfSquares.squareRoot() / scale
    let factor = Bounded(Double(maximumNorm)) / (norm + Bounded.constant(1e-6))
    return (factor.value < 1 ? factor : 1.0) / scale
  }

  /// The next count of steps and the rates with its bias corrections.
  public static func countStep(_ constants: AdamWConstants, steps: Bounded, rates: Values) -> [Values] {
    let count = steps.value + 1
    return [
      Values([], [Bounded(count)]),
      Values(
        [3], [rates[0], .constant(1 - pow(constants.beta1, count)), .constant(1 - pow(constants.beta2, count))]),
    ]
  }

  /// One step of torch.optim.AdamW: the new parameter and both new moments.
  public static func adamW(
    _ constants: AdamWConstants, rates: Values, clipping: Bounded, gradient: Values, parameter: Values,
    moment1: Values, moment2: Values
  ) -> [Values] {
    let (learningRate, correction1, correction2) = (rates[0], rates[1], rates[2])
    var (parameter, moment1, moment2) = (parameter, moment1, moment2)
    for i in 0..<gradient.count {
      let g = gradient[i] * clipping
      moment1[i] = .constant(constants.beta1) * moment1[i] + .constant(1 - constants.beta1) * g
      moment2[i] = .constant(constants.beta2) * moment2[i] + .constant(1 - constants.beta2) * g * g
      let root = moment2[i].squareRoot() / correction2.squareRoot() + .constant(constants.epsilon)
      let decayed = parameter[i] * (1.0 - learningRate * .constant(constants.weightDecay))
      parameter[i] = decayed - learningRate / correction1 * moment1[i] / root
    }
    return [parameter, moment1, moment2]
  }

  /// The scale and the number of good steps in a row after one more, as torch.amp.GradScaler.
  public static func updateScale(_ scaling: LossScaling, scale: Bounded, goodSteps: Bounded) -> [Values] {
    let count = goodSteps.value + 1
    guard count == Double(scaling.growthInterval) else { return [Values([], [scale]), Values([], [Bounded(count)])] }
    let grown = scale.value * Double(scaling.growthFactor)
    let isFinite = grown <= Double(Float.greatestFiniteMagnitude)
    return [Values([], [Bounded(isFinite ? grown : scale.value)]), Values([], [0.0])]
  }
}
