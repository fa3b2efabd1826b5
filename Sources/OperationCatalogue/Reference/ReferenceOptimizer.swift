import Tensor

extension Reference {
  /// Σ x².
  public static func sumOfSquares(_ x: Values) -> Values {
    var sum = BoundedSum()
    for element in x.elements { sum.add(element * element) }
    return Values([], [sum.total])
  }

  /// min(1, maximum / (norm + 10⁻⁶)), as torch.nn.utils.clip_grad_norm_.
  public static func clippingFactor(_ sumOfSquares: Bounded, maximumNorm: Float) -> Bounded {
    let factor = Bounded(Double(maximumNorm)) / (sumOfSquares.squareRoot() + Bounded.constant(1e-6))
    return factor.value < 1 ? factor : 1.0
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
}
