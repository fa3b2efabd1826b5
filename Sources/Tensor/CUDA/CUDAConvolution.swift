extension CUDABackend {
  /// Cross-correlation, as PyTorch's conv2d, plus `bias` [out channels].
  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {
    guard out.count > 0 else { return }
    if let borders = Borders(x.shape, spec) {
      return convolution(add(borders, to: x), weight, bias: bias, borders.inner, into: out)
    }
    guard spec.isPixelwise(weight.shape) else { return run(.forward(x, weight, bias: bias, spec, into: out)) }
    let (inputs, outputs) = (x.shape[3], out.shape[3])
    let product = MatrixProduct(m: out.count / outputs, n: outputs, k: inputs, transposeB: true)
    matrixProduct(x, weight, product, bias: bias, into: .overwrite(out))
  }

  /// The derivative by the input.
  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {
    guard dx.tensor.count > 0 else { return }
    if let borders = Borders(dx.tensor.shape, spec) {
      let whole = gradient.emptyLike(borders.shape)
      convolutionBackwardInput(gradient, weight, borders.inner, into: .overwrite(whole))
      for copy in borders.copies { copyBlocks(whole, copy.reversed, into: dx) }
      return
    }
    guard spec.isPixelwise(weight.shape) else { return run(.backwardInput(gradient, weight, spec, into: dx)) }
    let (inputs, outputs) = (dx.tensor.shape[3], gradient.shape[3])
    let product = MatrixProduct(m: gradient.count / outputs, n: inputs, k: outputs)
    matrixProduct(gradient, weight, product, bias: nil, into: dx)
  }

  /// The derivative by the weights.
  ///
  /// Overwriting is the faster way: to add, cuDNN makes two more passes over derivatives of the weights' size.
  public func convolutionBackwardWeight(
    _ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination
  ) {
    guard gradient.count > 0 else {
      if dw.write == .overwrite { fill(0, into: dw.tensor) }
      return
    }
    if let borders = Borders(x.shape, spec) {
      return convolutionBackwardWeight(add(borders, to: x), gradient, borders.inner, into: dw)
    }
    guard dw.tensor.dtype == x.dtype else {
      // cuDNN writes these derivatives in the type of the activations only.
      let rounded = x.emptyLike(dw.tensor.shape)
      convolutionBackwardWeight(x, gradient, spec, into: .overwrite(rounded))
      return cast(rounded, into: dw)
    }
    guard spec.isPixelwise(dw.tensor.shape) else { return run(.backwardWeight(x, gradient, spec, into: dw)) }
    let (inputs, outputs) = (x.shape[3], gradient.shape[3])
    let product = MatrixProduct(m: outputs, n: inputs, k: gradient.count / outputs, transposeA: true)
    matrixProduct(gradient, x, product, bias: nil, into: dw)
  }

  /// The pictures with zeros around them.
  private func add(_ borders: Borders, to x: Tensor) -> Tensor {
    let whole = x.emptyLike(borders.shape)
    fill(0, into: whole)
    for copy in borders.copies { copyBlocks(x, copy, into: .overwrite(whole)) }
    return whole
  }

  private func run(_ call: ConvolutionCall) {
    call.requireOperands()
    activate()
    do throws(CUDALibraryError) {
      try execute(try dnn.plan(for: call.convolution), call)
    } catch {
      fatalError("\(call.convolution): \(error)")
    }
  }

  /// Enqueues a plan with memory for its work.
  func execute(_ plan: DNNConvolutionPlan, _ call: ConvolutionCall) throws(CUDALibraryError) {
    let workspace = plan.workspaceByteCount > 0 ? scratch(byteCount: plan.workspaceByteCount) : nil
    defer { withExtendedLifetime(workspace) {} }
    try plan.execute(call.operands.mapValues(\.address), workspace: workspace?.address ?? 0, on: dnn)
  }
}

extension Convolution2D {
  /// Whether every window is one pixel, so that the convolution is a matrix product of [pixels, in].
  fileprivate func isPixelwise(_ weight: Shape) -> Bool {
    weight[1] == 1 && weight[2] == 1 && self == Convolution2D()
  }
}

/// Zeros that are wider on one side of the pictures than on the other.
///
/// cuDNN takes them but has engines that compute wrong derivatives with them (9.14, by the weights, with stride 2), so
/// they are written out.
private struct Borders {
  /// The extents with the zeros.
  let shape: Shape
  /// The convolution of what has the zeros in it.
  let inner: Convolution2D
  /// How each picture is put between its zeros.
  let copies: [BlockCopy]

  /// The zeros around pictures of an input shape; `nil` where opposite sides are alike.
  init?(_ x: Shape, _ spec: Convolution2D) {
    let padding = spec.padding
    guard padding.top != padding.bottom || padding.left != padding.right else { return nil }
    let (height, row) = (x[1] + padding.top + padding.bottom, x[2] * x[3])
    let wholeRow = (x[2] + padding.left + padding.right) * x[3]
    shape = [x[0], height, x[2] + padding.left + padding.right, x[3]]
    inner = Convolution2D(stride: spec.stride)
    copies = (0..<x[0]).map { picture in
      BlockCopy(
        outer: x[1], count: row, source: (picture * x[1] * row, row),
        target: ((picture * height + padding.top) * wholeRow + padding.left * x[3], wholeRow))
    }
  }
}

/// A convolution and the tensors it is done on.
struct ConvolutionCall {
  let convolution: DNNConvolution
  let operands: [DNNConvolution.Operand: Tensor]

  static func forward(
    _ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor
  ) -> ConvolutionCall {
    var operands: [DNNConvolution.Operand: Tensor] = [.input: x, .weight: weight, .output: out]
    operands[.bias] = bias
    return ConvolutionCall(bias == nil ? .forward : .forwardWithBias, operands, spec, x.dtype, .overwrite)
  }

  static func backwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) -> ConvolutionCall {
    ConvolutionCall(
      .backwardInput, [.input: dx.tensor, .weight: weight, .output: gradient], spec, gradient.dtype, dx.write)
  }

  static func backwardWeight(
    _ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination
  ) -> ConvolutionCall {
    ConvolutionCall(.backwardWeight, [.input: x, .weight: dw.tensor, .output: gradient], spec, x.dtype, dw.write)
  }

  private init(
    _ computation: DNNConvolution.Computation, _ operands: [DNNConvolution.Operand: Tensor], _ spec: Convolution2D,
    _ dtype: DType, _ write: Write
  ) {
    guard let input = operands[.input], let weight = operands[.weight], let output = operands[.output] else {
      fatalError("convolution: an operand is missing")
    }
    convolution = DNNConvolution(
      computation: computation, input: input.shape, weight: weight.shape, output: output.shape, spec: spec,
      dtype: dtype, write: write)
    self.operands = operands
  }

  /// Traps unless the operands are of one type and aligned as the plan takes for granted.
  func requireOperands() {
    for (operand, tensor) in operands {
      require(tensor.dtype == convolution.dtype, "\(convolution): the \(operand) is \(tensor.dtype)")
      require(
        tensor.address.isMultiple(of: UInt(DNNConvolution.alignment)),
        "\(convolution): the \(operand) does not start at a multiple of \(DNNConvolution.alignment) bytes")
    }
  }
}
