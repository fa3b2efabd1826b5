extension CUDABackend {
  /// softmax(scale · QKᵀ) V.
  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    requireAlignment("attention", [q, k, v, out, logSumExp])
    guard out.count > 0 else { return }
    if usesFlashAttention(q) {
      flashAttention(q: q, k: k, v: v, spec, into: out, logSumExp: logSumExp)
    } else {
      writtenOutAttention(q, k, v, spec, into: out, logSumExp: logSumExp)
    }
  }

  /// The derivatives of `attention`, each computed only where it is wanted.
  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    requireAlignment("attentionBackward", [q, k, v, out, logSumExp, gradient, dq?.tensor, dk?.tensor, dv?.tensor])
    guard out.count > 0 && k.count > 0 else { return }
    if usesFlashAttention(q) {
      flashAttentionBackward(
        q: q, k: k, v: v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
    } else {
      writtenOutAttentionBackward(q, k, v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
    }
  }

  private func usesFlashAttention(_ q: Tensor) -> Bool {
    FlashAttention.supports(dtype: q.dtype, headSize: q.shape[3], capability: computeCapability)
  }
}
