/// Queries [batch, queries, heads, size] against keys [batch, keys, heads, size], cut into blocks of query rows whose
/// scores stay within half a million numbers.
struct AttentionHeads {
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
