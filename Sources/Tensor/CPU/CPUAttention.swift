import Glibc

extension CPUBackend {
  /// softmax(scale · QKᵀ) V, one block of query rows against all keys at a time.
  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    let name: StaticString = "attention"
    let heads = AttentionHeads(queries: q.shape, keys: k.shape, spec)
    let (q, k, v, out) = (q.host(name), k.host(name), v.host(name), out.host(name))
    let logSumExp = logSumExp.host(name)
    threads.parallelFor(heads.headCount * heads.blocksPerHead) { index in
      let (head, number) = index.quotientAndRemainder(dividingBy: heads.blocksPerHead)
      let block = heads.block(number)
      let (queries, keys) = (heads.queryOffset(head), heads.keyOffset(head))
      let rows = queries + block.lowerBound * heads.tokenStride
      withWorkspace(block.count * (heads.keyCount + 1)) { workspace in
        let (factors, scores) = (workspace, workspace + block.count)
        let keyCount = heads.scores(block, q + rows, k + keys, into: scores)
        for row in 0..<block.count {
          let query = block.lowerBound + row
          let (maximum, total) = heads.exponentiate(scores + row * keyCount, query: query, keyCount)
          logSumExp[head * heads.queryCount + query] = maximum + Float(log(total))
          factors[row] = Float(1 / total)
        }
        OpenBLAS.product(
          m: block.count, n: heads.headSize, k: keyCount, StridedMatrix(scores, stride: keyCount),
          heads.matrix(v + keys), beta: 0, into: heads.matrix(out + rows))
        for row in 0..<block.count {
          let token = out + rows + row * heads.tokenStride
          store(0..<heads.headSize, into: token, .overwrite) { token[$0] * factors[row] }
        }
      }
    }
  }
}
