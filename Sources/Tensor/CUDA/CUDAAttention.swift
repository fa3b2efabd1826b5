extension CUDABackend {
  /// softmax(scale · QKᵀ) V: by flash attention where it has a kernel, else by products with the scores written out.
  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    requireAlignment("attention", [q, k, v, out, logSumExp])
    guard out.count > 0 else { return }
    require(k.count > 0, "attention: there are no keys for queries of shape \(q.shape)")
    if FlashAttention.supports(queries: q, keys: k, capability: computeCapability) {
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
    guard out.count > 0 && k.count > 0 else {
      for case let empty? in [dq, dk, dv] where empty.write == .overwrite { fill(0, into: empty.tensor) }
      return
    }
    if FlashAttention.supports(queries: q, keys: k, capability: computeCapability) {
      flashAttentionBackward(
        q: q, k: k, v: v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
    } else {
      writtenOutAttentionBackward(q, k, v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
    }
  }
}
