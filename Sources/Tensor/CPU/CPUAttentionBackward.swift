extension CPUBackend {
  /// The derivatives of `attention`, each computed only where it is wanted.
  ///
  /// With P the softmax weights, recomputed from `logSumExp`, and G the gradient: dV = Pᵀ G,
  /// dS = P ∘ (G Vᵀ - δ) with δ the row sums of G ∘ out, dQ = scale · dS K and dK = scale · dSᵀ Q
  /// (T. Dao et al., FlashAttention, 2022). Heads run in parallel; the blocks of one head run in a fixed order.
  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    let name: StaticString = "attentionBackward"
    let heads = AttentionHeads(queries: q.shape, keys: k.shape, spec)
    let pass = AttentionBackward(
      heads: heads, scale: spec.scale, q: q.host(name), k: k.host(name), v: v.host(name), out: out.host(name),
      logSumExp: logSumExp.host(name), gradient: gradient.host(name), dq: dq.map { ($0.host(name), $0.write) },
      dk: dk.map { ($0.host(name), $0.write) }, dv: dv.map { ($0.host(name), $0.write) })
    threads.parallelFor(heads.headCount) { head in
      // The last block sees every key, so it is the one that may overwrite.
      for number in (0..<heads.blocksPerHead).reversed() {
        let block = heads.block(number)
        withWorkspace(2 * block.count * heads.keyCount) {
          pass.carryOut(block, of: head, isFirst: number == heads.blocksPerHead - 1, workspace: $0)
        }
      }
    }
  }
}

/// What `attentionBackward` reads and writes.
private struct AttentionBackward {
  typealias Output = (start: Floats, write: Write)

  let heads: AttentionHeads
  let scale: Float
  let q: Floats
  let k: Floats
  let v: Floats
  let out: Floats
  let logSumExp: Floats
  let gradient: Floats
  let dq: Output?
  let dk: Output?
  let dv: Output?

  /// Adds what one block of query rows contributes; the first block carried out decides whether keys are overwritten.
  func carryOut(_ block: Range<Int>, of head: Int, isFirst: Bool, workspace: Floats) {
    let rows = heads.queryOffset(head) + block.lowerBound * heads.tokenStride
    let keys = heads.keyOffset(head)
    let size = heads.headSize
    let keyCount = heads.scores(block, q + rows, k + keys, into: workspace)
    let weights = StridedMatrix(workspace, stride: keyCount)
    for row in 0..<block.count {
      let query = block.lowerBound + row
      heads.normalize(
        workspace + row * keyCount, query: query, keyCount, logSumExp[head * heads.queryCount + query])
    }
    if let dv {
      OpenBLAS.product(
        m: keyCount, n: size, k: block.count, weights.transposed, heads.matrix(gradient + rows),
        beta: isFirst ? dv.write.beta : 1, into: heads.matrix(dv.start + keys))
    }
    if dq == nil && dk == nil { return }

    let scores = StridedMatrix(workspace + block.count * keyCount, stride: keyCount)
    OpenBLAS.product(
      m: block.count, n: keyCount, k: size, heads.matrix(gradient + rows), heads.matrix(v + keys).transposed, beta: 0,
      into: scores)
    for row in 0..<block.count {
      differentiateSoftmax(
        scores.start + row * keyCount, weights: workspace + row * keyCount, keyCount,
        token: rows + row * heads.tokenStride)
    }
    if let dq {
      OpenBLAS.product(
        m: block.count, n: size, k: keyCount, scores, heads.matrix(k + keys), alpha: scale, beta: dq.write.beta,
        into: heads.matrix(dq.start + rows))
    }
    if let dk {
      OpenBLAS.product(
        m: keyCount, n: size, k: block.count, scores.transposed, heads.matrix(q + rows), alpha: scale,
        beta: isFirst ? dk.write.beta : 1, into: heads.matrix(dk.start + keys))
    }
  }

  /// Turns a row of the derivatives by the weights into the derivatives by the scores.
  private func differentiateSoftmax(_ row: Floats, weights: Floats, _ count: Int, token: Int) {
    let (g, o) = (gradient + token, out + token)
    let delta = Float(laneSum(0..<heads.headSize) { g[$0] * o[$0] })
    store(0..<count, into: row, .overwrite) { weights[$0] * (row[$0] - delta) }
  }
}

extension Write {
  /// What a matrix product multiplies the old contents of its output by.
  fileprivate var beta: Float { self == .overwrite ? 0 : 1 }
}
