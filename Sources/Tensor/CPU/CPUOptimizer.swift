extension CPUBackend {
  /// The factor that brings gradients of squared norm `sumOfSquares` down to `maximumNorm`.
  public func clippingFactor(_ sumOfSquares: Tensor, maximumNorm: Float, into out: Tensor) {
    let norm = sumOfSquares.host("clippingFactor")[0].squareRoot()
    out.host("clippingFactor")[0] = min(1, maximumNorm / (norm + 1e-6))
  }

  /// One AdamW step, in the order of operations of torch.optim.AdamW.
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor
  ) {
    let name: StaticString = "adamW"
    let (rates, clip) = (rates.host(name), clipping.host(name)[0])
    let (learningRate, correction1, correction2) = (Double(rates[0]), Double(rates[1]), Double(rates[2]))
    // PyTorch computes these in Float64 and rounds each once.
    let keep = Float(1 - learningRate * constants.weightDecay)
    let newShare1 = Float(1 - constants.beta1)
    let (oldShare2, newShare2) = (Float(constants.beta2), Float(1 - constants.beta2))
    let step = Float(learningRate / correction1)
    let root2 = Float(correction2.squareRoot())
    let epsilon = Float(constants.epsilon)

    let (gradient, parameter) = (gradient.host(name), parameter.host(name))
    let (first, second, count) = (moment1.host(name), moment2.host(name), moment1.count)
    forEachChunk(count) { range in
      forEachSlot(range) { slot in
        let g = gradient[slot] * clip
        let m = first[slot] + (g - first[slot]) * newShare1
        let v = second[slot] * oldShare2 + (g * g) * newShare2
        first[slot] = m
        second[slot] = v
        parameter[slot] = parameter[slot] * keep - step * (m / (VectorMath.squareRoot(v) / root2 + epsilon))
      }
    }
  }
}
