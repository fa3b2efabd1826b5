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
