import Glibc

extension CPUBackend {
  /// The factor that gradients are read through.
  public func clippingFactor(_ sumOfSquares: Tensor, scale: Tensor, maximumNorm: Float, into out: Tensor) {
    let name: StaticString = "clippingFactor"
    let (sum, scale) = (sumOfSquares.host(name)[0], scale.host(name)[0])
    let norm = sum.squareRoot() / scale
    out.host(name)[0] = sum.isFinite ? min(1, maximumNorm / (norm + 1e-6)) / scale : .nan
  }

  /// Adds one to the count of steps and writes the bias corrections.
  public func countStep(_ constants: AdamWConstants, clipping: Tensor, steps: Tensor, rates: Tensor) {
    guard !clipping.host("countStep")[0].isNaN else { return }
    let (count, rates) = (steps.hostCount("countStep"), rates.host("countStep"))
    count.pointee += 1
    rates[1] = Float(1 - pow(constants.beta1, Double(count.pointee)))
    rates[2] = Float(1 - pow(constants.beta2, Double(count.pointee)))
  }

  /// One AdamW step, in the order of operations of torch.optim.AdamW.
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?
  ) {
    let name: StaticString = "adamW"
    let (rates, clip) = (rates.host(name), clipping.host(name)[0])
    guard !clip.isNaN else { return }
    let (learningRate, correction1, correction2) = (Double(rates[0]), Double(rates[1]), Double(rates[2]))
    // PyTorch computes these in Float64 and rounds each once.
    let keep = Float(1 - learningRate * constants.weightDecay)
    let newShare1 = Float(1 - constants.beta1)
    let (oldShare2, newShare2) = (Float(constants.beta2), Float(1 - constants.beta2))
    let step = Float(learningRate / correction1)
    let root2 = Float(correction2.squareRoot())
    let epsilon = Float(constants.epsilon)

    let (parameter, first, second) = (parameter.host(name), moment1.host(name), moment2.host(name))
    forEachBlock(moment1.count) { range, g in
      NumberBlocks.read(gradient, from: range.lowerBound, range.count, into: g)
      let (parameter, first, second) = (
        parameter + range.lowerBound, first + range.lowerBound, second + range.lowerBound
      )
      forEachSlot(0..<range.count) { slot in
        let g = g[slot] * clip
        let m = first[slot] + (g - first[slot]) * newShare1
        let v = second[slot] * oldShare2 + (g * g) * newShare2
        first[slot] = m
        second[slot] = v
        parameter[slot] = parameter[slot] * keep - step * (m / (VectorMath.squareRoot(v) / root2 + epsilon))
      }
      if let shadow { NumberBlocks.write(parameter, range.count, into: shadow, from: range.lowerBound) }
    }
  }

  /// Adapts the scale of the loss to a step.
  public func updateScale(_ scaling: LossScaling, clipping: Tensor, scale: Tensor, goodSteps: Tensor) {
    let (scale, goodSteps) = (scale.host("updateScale"), goodSteps.hostCount("updateScale"))
    if clipping.host("updateScale")[0].isNaN {
      scale[0] *= scaling.backoffFactor
      goodSteps.pointee = 0
    } else if Int(goodSteps.pointee) + 1 < scaling.growthInterval {
      goodSteps.pointee += 1
    } else {
      let grown = scale[0] * scaling.growthFactor
      if grown.isFinite { scale[0] = grown }
      goodSteps.pointee = 0
    }
  }
}
