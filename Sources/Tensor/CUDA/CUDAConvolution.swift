extension CUDABackend {
  /// Cross-correlation, as PyTorch's conv2d, plus `bias` [out channels].
  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {
    guard out.count > 0 else { return }
    if spec.isPixelwise(weight.shape) {
      let product = MatrixProduct(m: out.count / out.shape[3], n: out.shape[3], k: x.shape[3], transposeB: true)
      return matrixProduct(x, weight, product, bias: bias, into: .overwrite(out))
    }
    var operands: [DNNConvolution.Operand: Tensor] = [.input: x, .weight: weight, .output: out]
    operands[.bias] = bias
    run(
      DNNConvolution(
        computation: bias == nil ? .forward : .forwardWithBias, input: x.shape, weight: weight.shape,
        output: out.shape, spec: spec, dtype: x.dtype, write: .overwrite),
      operands)
  }

  /// The derivative by the input.
  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {
    guard dx.tensor.count > 0 else { return }
    if spec.isPixelwise(weight.shape) {
      let (inputs, outputs) = (dx.tensor.shape[3], gradient.shape[3])
      let product = MatrixProduct(m: gradient.count / outputs, n: inputs, k: outputs)
      return matrixProduct(gradient, weight, product, bias: nil, into: dx)
    }
    run(
      DNNConvolution(
        computation: .backwardInput, input: dx.tensor.shape, weight: weight.shape, output: gradient.shape, spec: spec,
        dtype: gradient.dtype, write: dx.write),
      [.input: dx.tensor, .weight: weight, .output: gradient])
  }

  /// The derivative by the weights.
  public func convolutionBackwardWeight(
    _ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination
  ) {
    guard gradient.count > 0 else {
      if dw.write == .overwrite { fill(0, into: dw.tensor) }
      return
    }
    guard dw.tensor.dtype == x.dtype else {
      // cuDNN writes these derivatives in the type of the activations only.
      let rounded = x.emptyLike(dw.tensor.shape)
      convolutionBackwardWeight(x, gradient, spec, into: .overwrite(rounded))
      return cast(rounded, into: dw)
    }
    if spec.isPixelwise(dw.tensor.shape) {
      let (inputs, outputs) = (x.shape[3], gradient.shape[3])
      let product = MatrixProduct(m: outputs, n: inputs, k: gradient.count / outputs, transposeA: true)
      return matrixProduct(gradient, x, product, bias: nil, into: dw)
    }
    run(
      DNNConvolution(
        computation: .backwardWeight, input: x.shape, weight: dw.tensor.shape, output: gradient.shape, spec: spec,
        dtype: x.dtype, write: dw.write),
      [.input: x, .weight: dw.tensor, .output: gradient])
  }

  private func run(_ convolution: DNNConvolution, _ operands: [DNNConvolution.Operand: Tensor]) {
    for (operand, tensor) in operands {
      require(
        tensor.dtype == convolution.dtype, "\(convolution): the \(operand) is \(tensor.dtype)")
      require(
        tensor.address.isMultiple(of: UInt(DNNConvolution.alignment)),
        "\(convolution): the \(operand) does not start at a multiple of \(DNNConvolution.alignment) bytes")
    }
    activate()
    do throws(CUDALibraryError) {
      try execute(try dnn.plan(for: convolution), operands)
    } catch {
      fatalError("\(convolution): \(error)")
    }
  }

  /// Enqueues a plan with memory for its work.
  func execute(
    _ plan: DNNConvolutionPlan, _ operands: [DNNConvolution.Operand: Tensor]
  ) throws(CUDALibraryError) {
    let workspace = plan.workspaceByteCount > 0 ? scratch(byteCount: plan.workspaceByteCount) : nil
    defer { withExtendedLifetime(workspace) {} }
    try plan.execute(operands.mapValues(\.address), workspace: workspace?.address ?? 0, on: dnn)
  }
}

extension Convolution2D {
  /// Whether every window is one pixel, so that the convolution is a matrix product of [pixels, in].
  fileprivate func isPixelwise(_ weight: Shape) -> Bool {
    weight[1] == 1 && weight[2] == 1 && self == Convolution2D()
  }
}

// MARK: - Timing

extension CUDABackend {
  /// Times every plan for a convolution, to find out where cuDNN's model of speed errs.
  ///
  /// - Parameters:
  ///   - operands: the tensors of the graph; their numbers matter, since a GPU slows down when many bits change.
  ///   - repetitions: how often each plan runs between two time stamps.
  /// - Returns: the engines in cuDNN's order, the first being the one that is used, and the mean time of one run.
  func benchmarkConvolutionEngines(
    _ convolution: DNNConvolution, _ operands: [DNNConvolution.Operand: Tensor], repetitions: Int = 20
  ) throws(CUDALibraryError) -> [(engine: String, milliseconds: Double)] {
    activate()
    var times: [(engine: String, milliseconds: Double)] = []
    for plan in try DNNConvolutionPlan.plans(for: convolution, dnn) {
      try execute(plan, operands)
      let start = moment()
      for _ in 0..<repetitions { try execute(plan, operands) }
      times.append((plan.engine, start.seconds(until: moment()) * 1000 / Double(repetitions)))
    }
    return times
  }
}
