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

  /// One AdamW step, in the order of operations of torch.optim.AdamW; from the same rates, bit for bit what the CPU computes.
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    parameter.requireParameter(shadow, rounding)
    require(
      moment1.dtype == .float32 && moment2.dtype == .float32,
      "adamW: moments of \(moment1.dtype) and \(moment2.dtype), not float32")
    let isWide = [parameter, moment1, moment2, gradient, shadow ?? gradient].allSatisfy(\.isVectorAligned)
    // A few rounds for every block, so that preparing the step is a small part of its work.
    let blocks = min(flatGrid(parameter.count, width: isWide ? 4 : 1).x, 16 * multiprocessorCount)
    let kernel = Kernel(
      .adamW, isWide ? "adamWWide" : "adamWNarrow", KernelMacro.adamW(gradient, parameter, shadow))
    launch(
      kernel, grid: KernelGrid(blocks), threads: Self.flatThreads,
      .tensor(rates), .tensor(clipping), .tensor(gradient), .tensor(parameter), .tensor(moment1), .tensor(moment2),
      .optional(shadow), .int64(parameter.count), .float(Float(1 - constants.beta1)), .float(Float(constants.beta2)),
      .float(Float(1 - constants.beta2)), .float(Float(constants.epsilon)), .double(constants.weightDecay),
      .uint64(rounding?.stream.seed ?? 0), .uint32(rounding?.stream.stream ?? 0), .optional(rounding?.draw),
      .int64(rounding?.first ?? 0))
  }

  /// One AdamW step with moments in 8 bits; bit for bit what the CPU computes.
  public func adamWQuantized(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moments: QuantizedMoments, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    parameter.requireParameter(shadow, rounding)
    require(
      [parameter, moments.codes1, moments.codes2, gradient, shadow ?? gradient].allSatisfy(\.isVectorAligned),
      "adamWQuantized: tensors do not start at multiples of 16 bytes")
    let warpsPerBlock = Self.flatThreads / 32
    let blocks = (QuantizedBlock.count(of: parameter.count) + warpsPerBlock - 1) / warpsPerBlock
    // As many as a card runs at a time, so that filling the tables is a small part of their work.
    launch(
      Kernel(.adamWQuantized, "adamWQuantized", KernelMacro.adamW(gradient, parameter, shadow)),
      grid: KernelGrid(min(blocks, 8 * multiprocessorCount)), threads: Self.flatThreads,
      .tensor(rates), .tensor(clipping), .tensor(gradient), .tensor(parameter), .tensor(moments.codes1),
      .tensor(moments.scales1), .tensor(moments.codes2), .tensor(moments.scales2), .optional(shadow),
      .int64(parameter.count), .float(Float(1 - constants.beta1)), .float(Float(constants.beta2)),
      .float(Float(1 - constants.beta2)), .float(Float(constants.epsilon)), .double(constants.weightDecay),
      .uint64(rounding?.stream.seed ?? 0), .uint32(rounding?.stream.stream ?? 0), .optional(rounding?.draw),
      .int64(rounding?.first ?? 0))
  }
}

extension KernelMacro {
  /// The types of a step; where there is no shadow any will do, and the one that the variants have is taken.
  fileprivate static func adamW(_ gradient: Tensor, _ parameter: Tensor, _ shadow: Tensor?) -> [KernelMacro] {
    [
      KernelMacro("GRADIENT", gradient.dtype), KernelMacro("PARAMETER", parameter.dtype),
      KernelMacro("SHADOW", shadow?.dtype ?? parameter.dtype),
    ]
  }
}
