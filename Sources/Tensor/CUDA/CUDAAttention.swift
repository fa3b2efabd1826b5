extension CUDABackend {
  /// softmax(scale · QKᵀ) V.
  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    requireAlignment("attention", [q, k, v, out, logSumExp])
    guard out.count > 0 else { return }
    writtenOutAttention(q, k, v, spec, into: out, logSumExp: logSumExp)
  }

  /// The derivatives of `attention`, each computed only where it is wanted.
  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    requireAlignment("attentionBackward", [q, k, v, out, logSumExp, gradient, dq?.tensor, dk?.tensor, dv?.tensor])
    guard out.count > 0 && k.count > 0 else { return }
    writtenOutAttentionBackward(q, k, v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
  }
}
