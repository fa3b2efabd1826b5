extension Tensor {
  /// x Wᵀ + b over the last axis.
  ///
  /// - Parameters:
  ///   - weight: [out, in], as PyTorch keeps it.
  ///   - bias: [out].
  /// - Returns: [..., out] for a tensor [..., in].
  public func linear(_ weight: Tensor, bias: Tensor?) -> Tensor {
    let product = linearProduct(weight)
    requireCompanion(weight, "linear")
    if let bias {
      require(bias.shape == [product.n], "linear: bias \(bias.shape) does not fit weight \(weight.shape)")
      requireCompanion(bias, "linear")
    }
    let out = emptyLike(shape.replacing(-1, with: product.n))
    backend.matrixProduct(self, weight, product, bias: bias, into: .overwrite(out))
    return out
  }

  /// The product behind `linear`.
  package func linearProduct(_ weight: Tensor) -> MatrixProduct {
    weight.requireRank(2, "linear")
    require(
      shape.rank > 0 && shape[-1] == weight.shape[1],
      "linear: input \(shape) does not match weight \(weight.shape)")
    return MatrixProduct(m: count / max(shape[-1], 1), n: weight.shape[0], k: weight.shape[1], transposeB: true)
  }

  /// Two-dimensional convolution of [batch, height, width, in].
  ///
  /// - Parameters:
  ///   - weight: in the backend's `convolutionLayout`.
  ///   - bias: [out].
  /// - Returns: [batch, height', width', out].
  public func convolution(_ weight: Tensor, bias: Tensor?, _ spec: Convolution2D) -> Tensor {
    requireRank(4, "convolution")
    weight.requireRank(4, "convolution weight")
    requireCompanion(weight, "convolution")
    let kernel = backend.convolutionLayout.extents(weight.shape)
    require(
      kernel.input == shape[3], "convolution: input \(shape) does not match weight \(weight.shape)")
    if let bias {
      require(bias.shape == [kernel.output], "convolution: bias \(bias.shape) does not fit weight \(weight.shape)")
      requireCompanion(bias, "convolution")
    }
    let height = shape[1] + spec.padding.top + spec.padding.bottom - kernel.height
    let width = shape[2] + spec.padding.left + spec.padding.right - kernel.width
    require(
      height >= 0 && width >= 0,
      "convolution: \(shape) is smaller than the \(kernel.height)x\(kernel.width) kernel")
    let out = emptyLike([shape[0], height / spec.stride + 1, width / spec.stride + 1, kernel.output])
    backend.convolution(self, weight, bias: bias, spec, into: out)
    return out
  }

  /// The gated feed-forward activation: [..., 2n] → [..., n], the first half times gelu of the second.
  public func geglu() -> Tensor {
    requireFloatingPoint("geglu")
    require(shape.rank > 0 && shape[-1] % 2 == 0, "geglu: the last axis of \(shape) is not even")
    let out = emptyLike(shape.replacing(-1, with: shape[-1] / 2))
    backend.geglu(self, into: out)
    return out
  }
}
