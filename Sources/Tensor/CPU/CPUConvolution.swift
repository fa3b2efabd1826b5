extension CPUBackend {
  /// Cross-correlation, as PyTorch's conv2d, plus `bias` [out channels].
  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {
    if WinogradConvolution.suits(x.shape, weight: weight.shape, spec) {
      return winogradConvolution(x, weight, bias: bias, into: out)
    }
    let name: StaticString = "convolution"
    let shapes = ConvolutionShapes(x: x.shape, weight: weight.shape, out: out.shape, spec)
    let (x, weight, bias, target) = (x.host(name), weight.host(name), bias?.host(name), out.host(name))
    if shapes.isPixelwise {
      let product = MatrixProduct(m: shapes.pixels, n: shapes.outChannels, k: shapes.inChannels)
      return matrixProduct(x, weight, product, bias: bias, into: target, .overwrite)
    }
    if shapes.hasNarrowInput { return convolveFromNarrow(shapes, x, weight, bias: bias, into: target) }
    if shapes.hasNarrowOutput && spec.stride == 1 {
      return convolveToNarrow(shapes, x, weight, bias: bias, into: target)
    }
    run(DirectConvolution(shapes, x, weight, bias: bias, into: target))
  }

  /// The derivative by the input.
  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {
    if WinogradConvolution.suits(dx.tensor.shape, weight: weight.shape, spec) {
      return winogradConvolutionBackwardInput(gradient, weight, into: dx)
    }
    let name: StaticString = "convolutionBackwardInput"
    let shapes = ConvolutionShapes(x: dx.tensor.shape, weight: weight.shape, out: gradient.shape, spec)
    let (gradient, weight, target) = (gradient.host(name), weight.host(name), dx.host(name))
    if shapes.isPixelwise {
      let product = MatrixProduct(m: shapes.pixels, n: shapes.inChannels, k: shapes.outChannels, transposeB: true)
      return matrixProduct(gradient, weight, product, into: target, dx.write)
    }
    if shapes.hasNarrowInput { return convolveBackwardToNarrow(shapes, gradient, weight, into: target, dx.write) }
    if shapes.hasNarrowOutput && spec.stride == 1 {
      return convolveBackwardFromNarrow(shapes, gradient, weight, into: target, dx.write)
    }
    run(DirectConvolution(backward: shapes, gradient, weight, into: target, dx.write))
  }

  /// The derivative by the weights.
  public func convolutionBackwardWeight(
    _ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination
  ) {
    if WinogradConvolution.suits(x.shape, weight: dw.tensor.shape, spec) {
      return winogradConvolutionBackwardWeight(x, gradient, into: dw)
    }
    let name: StaticString = "convolutionBackwardWeight"
    let shapes = ConvolutionShapes(x: x.shape, weight: dw.tensor.shape, out: gradient.shape, spec)
    let (x, gradient, target) = (x.host(name), gradient.host(name), dw.host(name))
    if shapes.isPixelwise {
      let product = MatrixProduct(m: shapes.inChannels, n: shapes.outChannels, k: shapes.pixels, transposeA: true)
      return matrixProduct(x, gradient, product, into: target, dw.write)
    }
    if shapes.hasNarrowInput {
      return convolveBackwardWeightFromNarrow(shapes, x, gradient, into: target, dw.write)
    }
    if shapes.hasNarrowOutput && spec.stride == 1 {
      return convolveBackwardWeightToNarrow(shapes, x, gradient, into: target, dw.write)
    }
    run(ConvolutionWeightGradient(shapes, x: x, gradient: gradient, into: target, dw.write))
  }
}
