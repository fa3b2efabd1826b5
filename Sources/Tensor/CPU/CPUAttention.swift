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
    let (q, k, v, out, gradient) = (q.host(name), k.host(name), v.host(name), out.host(name), gradient.host(name))
    let logSumExp = logSumExp.host(name)
    let (dqTarget, dkTarget, dvTarget) = (dq?.host(name), dk?.host(name), dv?.host(name))
    let size = heads.headSize
    threads.parallelFor(heads.headCount) { head in
      let (queries, keys) = (heads.queryOffset(head), heads.keyOffset(head))
      // The last block sees every key, so it is the one that may overwrite.
      for number in (0..<heads.blocksPerHead).reversed() {
        let block = heads.block(number)
        let rows = queries + block.lowerBound * heads.tokenStride
        let isFirst = number == heads.blocksPerHead - 1
        withWorkspace(2 * block.count * heads.keyCount) { weights in
          let keyCount = heads.scores(block, q + rows, k + keys, into: weights)
          for row in 0..<block.count {
            let logTotal = logSumExp[head * heads.queryCount + block.lowerBound + row]
            heads.normalize(weights + row * keyCount, query: block.lowerBound + row, keyCount, logTotal)
          }
          let p = StridedMatrix(weights, stride: keyCount)
          if let dv, let dvTarget {
            OpenBLAS.product(
              m: keyCount, n: size, k: block.count, p.transposed, heads.matrix(gradient + rows),
              beta: isFirst ? dv.write.beta : 1, into: heads.matrix(dvTarget + keys))
          }
          guard dqTarget != nil || dkTarget != nil else { return }
          let ds = StridedMatrix(weights + block.count * heads.keyCount, stride: keyCount)
          OpenBLAS.product(
            m: block.count, n: keyCount, k: size, heads.matrix(gradient + rows), heads.matrix(v + keys).transposed,
            beta: 0, into: ds)
          for row in 0..<block.count {
            let token = rows + row * heads.tokenStride
            let (weight, dscore) = (p.start + row * keyCount, ds.start + row * keyCount)
            let delta = Float(laneSum(0..<size) { (gradient + token)[$0] * (out + token)[$0] })
            store(0..<keyCount, into: dscore, .overwrite) { weight[$0] * (dscore[$0] - delta) }
          }
          if let dq, let dqTarget {
            OpenBLAS.product(
              m: block.count, n: size, k: keyCount, ds, heads.matrix(k + keys), alpha: spec.scale,
              beta: dq.write.beta, into: heads.matrix(dqTarget + rows))
          }
          if let dk, let dkTarget {
            OpenBLAS.product(
              m: keyCount, n: size, k: block.count, ds.transposed, heads.matrix(q + rows), alpha: spec.scale,
              beta: isFirst ? dk.write.beta : 1, into: heads.matrix(dkTarget + keys))
          }
        }
      }
    }
  }
}

extension Write {
  /// What a matrix product multiplies the old contents of its output by.
  fileprivate var beta: Float { self == .overwrite ? 0 : 1 }
}

/// Queries [batch, queries, heads, size] against keys [batch, keys, heads, size], cut into blocks of query rows whose
/// scores stay within half a million numbers.
private struct AttentionHeads {
  let headCount: Int
  let queryCount: Int
  let keyCount: Int
  let headSize: Int
  let tokenStride: Int
  let blocksPerHead: Int
  private let blockSize: Int
  private let headsPerSample: Int
  private let spec: Attention

  init(queries: Shape, keys: Shape, _ spec: Attention) {
    (queryCount, keyCount) = (queries[1], keys[1])
    (headsPerSample, headSize) = (queries[2], queries[3])
    headCount = queries[0] * queries[2]
    tokenStride = queries[2] * queries[3]
    blockSize = min(max((1 << 19) / max(keyCount, 1) & ~15, 16), 128)
    blocksPerHead = (queryCount + blockSize - 1) / blockSize
    self.spec = spec
  }

  /// The query rows of a block.
  func block(_ number: Int) -> Range<Int> { number * blockSize..<min((number + 1) * blockSize, queryCount) }

  /// Where the queries of a head start, in elements.
  func queryOffset(_ head: Int) -> Int { offset(head, queryCount) }

  /// Where the keys of a head start, in elements.
  func keyOffset(_ head: Int) -> Int { offset(head, keyCount) }

  private func offset(_ head: Int, _ tokens: Int) -> Int {
    let (sample, head) = head.quotientAndRemainder(dividingBy: headsPerSample)
    return sample * tokens * tokenStride + head * headSize
  }

  /// Tokens of one head as rows of a matrix.
  func matrix(_ start: Floats) -> StridedMatrix { StridedMatrix(start, stride: tokenStride) }

  /// Writes scale · QKᵀ of a block, one row of as many keys as the block can see, whose number is returned.
  func scores(_ block: Range<Int>, _ q: Floats, _ k: Floats, into scores: Floats) -> Int {
    let visible = spec.causal ? min(block.upperBound, keyCount) : keyCount
    OpenBLAS.product(
      m: block.count, n: visible, k: headSize, matrix(q), matrix(k).transposed, alpha: spec.scale, beta: 0,
      into: StridedMatrix(scores, stride: visible))
    return visible
  }

  /// Replaces a row of scores by e^(score - maximum), zero for keys the query must not see.
  func exponentiate(_ row: Floats, query: Int, _ count: Int) -> (maximum: Float, total: Double) {
    let visible = spec.causal ? min(query + 1, count) : count
    var lanes = Lanes(repeating: -.infinity)
    forEachSlot(0..<visible) { slot in
      let x = slot.count == 8 ? row[slot] : row[slot].replacing(with: row[0], where: slot.isBeyondCount)
      lanes.replace(with: x, where: lanes .< x)
    }
    let maximum = horizontalMaximum(lanes)
    store(0..<visible, into: row, .overwrite) { VectorMath.exp(row[$0] - maximum) }
    (row + visible).update(repeating: 0, count: count - visible)
    return (maximum, laneSum(0..<visible) { row[$0] })
  }

  /// Replaces a row of scores by the softmax weights, given log Σ exp of the row.
  func normalize(_ row: Floats, query: Int, _ count: Int, _ logTotal: Float) {
    let visible = spec.causal ? min(query + 1, count) : count
    store(0..<visible, into: row, .overwrite) { VectorMath.exp(row[$0] - logTotal) }
    (row + visible).update(repeating: 0, count: count - visible)
  }
}

extension Slot {
  /// Which lanes hold no element.
  @inline(__always)
  fileprivate var isBeyondCount: SIMDMask<SIMD8<Int32>> {
    SIMD8<Int32>(0, 1, 2, 3, 4, 5, 6, 7) .>= Int32(count)
  }
}
