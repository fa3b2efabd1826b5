extension CUDABackend {
  /// [rows, 2n] → [rows, n]: the first half times gelu of the second (Shazeer, 2020).
  public func geglu(_ x: Tensor, into out: Tensor) {
    let vectors = RowVectors(length: out.shape[-1], [x, out], "geglu")
    let count = out.count / vectors.width
    let threads = 256
    launch(
      vectors.kernel(.geglu, "geglu"), grid: .covering(count, perBlock: threads), threads: threads,
      .tensor(x), .tensor(out), .int64(count), .int32(out.shape[-1] / vectors.width))
  }

  /// The derivative of `geglu`, both halves in one pass.
  public func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination) {
    let vectors = RowVectors(length: gradient.shape[-1], [x, gradient, dx.tensor], "gegluBackward")
    let count = gradient.count / vectors.width
    let threads = 256
    launch(
      vectors.kernel(.geglu, "gegluBackward"), grid: .covering(count, perBlock: threads), threads: threads,
      .tensor(x), .tensor(gradient), .tensor(dx.tensor), .accumulate(dx), .int64(count),
      .int32(gradient.shape[-1] / vectors.width))
  }
}
