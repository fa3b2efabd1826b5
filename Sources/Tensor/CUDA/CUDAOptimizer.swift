extension CUDABackend {
  /// The factor that gradients are read through.
  public func clippingFactor(_ sumOfSquares: Tensor, scale: Tensor, maximumNorm: Float, into out: Tensor) {
    launch(
      Kernel(.stepNumbers, "clippingFactor"), grid: KernelGrid(1), threads: 1,
      .tensor(sumOfSquares), .tensor(scale), .float(maximumNorm), .tensor(out))
  }

  /// Adds one to the count of steps and writes the bias corrections.
  public func countStep(_ constants: AdamWConstants, clipping: Tensor, steps: Tensor, rates: Tensor) {
    launch(
      Kernel(.stepNumbers, "countStep"), grid: KernelGrid(1), threads: 1,
      .double(constants.beta1), .double(constants.beta2), .tensor(clipping), .tensor(steps), .tensor(rates))
  }

  /// Adapts the scale of the loss to a step.
  public func updateScale(_ scaling: LossScaling, clipping: Tensor, scale: Tensor, goodSteps: Tensor) {
    launch(
      Kernel(.stepNumbers, "updateScale"), grid: KernelGrid(1), threads: 1,
      .float(scaling.growthFactor), .float(scaling.backoffFactor), .int32(scaling.growthInterval), .tensor(clipping),
      .tensor(scale), .tensor(goodSteps))
  }

  /// One AdamW step, in the order of operations of torch.optim.AdamW; bit for bit what the CPU computes.
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?
  ) {
    let masters = [parameter, moment1, moment2]
    require(
      masters.allSatisfy { $0.dtype == .float32 },
      "adamW: \(masters.map(\.dtype)) of parameter and moments, not float32")
    let isWide = (masters + [gradient, shadow ?? gradient]).allSatisfy(\.isVectorAligned)
    // A few rounds for every block, so that preparing the step is a small part of its work.
    let blocks = min(flatGrid(parameter.count, width: isWide ? 4 : 1).x, 16 * multiprocessorCount)
    launch(
      Kernel(
        .adamW, isWide ? "adamWWide" : "adamWNarrow", KernelMacro("GRADIENT", gradient.dtype),
        KernelMacro("SHADOW", shadow?.dtype ?? gradient.dtype)),
      grid: KernelGrid(blocks), threads: Self.flatThreads,
      .tensor(rates), .tensor(clipping), .tensor(gradient), .tensor(parameter), .tensor(moment1), .tensor(moment2),
      .optional(shadow), .int64(parameter.count), .float(Float(1 - constants.beta1)), .float(Float(constants.beta2)),
      .float(Float(1 - constants.beta2)), .float(Float(constants.epsilon)), .double(constants.weightDecay))
  }
}
