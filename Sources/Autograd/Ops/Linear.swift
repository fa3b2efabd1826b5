extension Variable {
  /// x Wᵀ + b over the last axis: [..., in] → [..., out].
  ///
  /// - Parameters:
  ///   - weight: [out, in].
  ///   - bias: [out].
  public func linear(_ weight: Variable, bias: Variable?) -> Variable {
    let (x, w, backend) = (value, weight.value, value.backend)
    let out = x.linear(w, bias: bias?.value)
    let product = x.linearProduct(w)
    let (rows, outputs, inputs) = (product.m, product.n, product.k)
    return .operation(
      out,
      (
        self,
        { g, dx in
          backend.matrixProduct(g, w, MatrixProduct(m: rows, n: inputs, k: outputs), bias: nil, into: dx)
        }
      ),
      (
        weight,
        { g, dw in
          let product = MatrixProduct(m: outputs, n: inputs, k: rows, transposeA: true)
          backend.matrixProduct(g, x, product, bias: nil, into: dw)
        }
      ),
      (bias, { g, db in backend.sum(g, outer: 1, count: rows, inner: outputs, scale: 1, into: db) }))
  }

  /// Two-dimensional convolution of [batch, height, width, in].
  ///
  /// - Parameters:
  ///   - weight: in the backend's `convolutionLayout`.
  ///   - bias: [out].
  public func convolution(_ weight: Variable, bias: Variable?, _ spec: Convolution2D) -> Variable {
    let (x, w, backend) = (value, weight.value, value.backend)
    let out = x.convolution(w, bias: bias?.value, spec)
    let channels = out.shape[3]
    let pixels = out.count / max(channels, 1)
    return .operation(
      out,
      (self, { g, dx in backend.convolutionBackwardInput(g, w, spec, into: dx) }),
      (weight, { g, dw in backend.convolutionBackwardWeight(x, g, spec, into: dw) }),
      (bias, { g, db in backend.sum(g, outer: 1, count: pixels, inner: channels, scale: 1, into: db) }))
  }

  /// [..., 2n] → [..., n]: the first half times gelu of the second (Shazeer, 2020).
  public func geglu() -> Variable {
    let x = value
    return .operation(x.geglu(), (self, { g, dx in x.backend.gegluBackward(x, g, into: dx) }))
  }
}
