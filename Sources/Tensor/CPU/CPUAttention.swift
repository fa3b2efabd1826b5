extension CPUBackend {
  /// softmax(scale · QKᵀ) V, one block of queries of a head at a time.
  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    let name: StaticString = "attention"
    let heads = AttentionHeads(queries: q.shape, keys: k.shape)
    let head = heads.head(spec)
    let (q, k, v, out) = (q.host(name), k.host(name), v.host(name), out.host(name))
    let logSumExp = logSumExp.host(name)
    let kernels = kernels
    let blocks = AttentionParts(heads.queryCount, size: kernels.attentionBlock)
    threads.parallelFor(heads.count * blocks.count) { part in
      let (number, block) = part.quotientAndRemainder(dividingBy: blocks.count)
      let (queries, keys) = (heads.queryOffset(number), heads.keyOffset(number))
      withWorkspace(kernels.attentionWorkspace(headSize: heads.size)) {
        kernels.attention(
          head, queries: blocks[block], q + queries, k + keys, v + keys, into: out + queries,
          logSumExp: logSumExp + number * heads.queryCount, workspace: $0)
      }
    }
  }
}
