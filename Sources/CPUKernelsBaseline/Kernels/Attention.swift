public import CPUKernels

/// Attention with the queries of a panel side by side in the lanes: maxima and sums of the softmax are taken lane by
/// lane, and keys and values are read where they lie.
extension Kernels {
  /// The most queries that share one reading of keys and values.
  public static var attentionBlock: Int { 96 }

  /// The keys of a block: its scores for one panel lie in the first-level cache.
  private static var attentionKeys: Int { 120 }

  /// The numbers of workspace that `attention` needs; see `AttentionKernels`.
  public static func attentionWorkspace(headSize: Int) -> Int {
    attentionBlock / tileColumns * AttentionPanel.size(headSize) + attentionKeys * tileColumns
  }

  /// Attention of one head; see `AttentionKernels`.
  public static func attention(
    _ head: AttentionHead, queries: AttentionTokens, _ q: ConstantFloats, _ k: ConstantFloats, _ v: ConstantFloats,
    into out: Floats, logSumExp: Floats, workspace: Floats
  ) {
    let panels = workspace + attentionKeys * tileColumns
    forEachPanel(head, queries, panels) { $0.begin(head, q) }
    var key = 0
    while key < head.keyCount {
      forEachPanel(head, queries, panels) { panel in
        let keys = AttentionTokens(key, count: min(attentionKeys, panel.visibleKeys(head) - key))
        guard keys.count > 0 else { return }
        if panel.queries.count > Vector.scalarCount {
          panel.attend(Wide.self, head, keys, k, v, scores: workspace)
        } else {
          panel.attend(Narrow.self, head, keys, k, v, scores: workspace)
        }
      }
      key += attentionKeys
    }
    forEachPanel(head, queries, panels) { $0.finish(head, into: out, logSumExp: logSumExp) }
  }

  @inline(__always)
  private static func forEachPanel(
    _ head: AttentionHead, _ queries: AttentionTokens, _ workspace: Floats, _ body: (AttentionPanel) -> Void
  ) {
    var (done, start) = (0, workspace)
    while done < queries.count {
      let tokens = AttentionTokens(queries.first + done, count: min(tileColumns, queries.count - done))
      body(AttentionPanel(start, head, tokens))
      start += AttentionPanel.size(head.headSize)
      done += tileColumns
    }
  }
}

/// What is known so far of the attention of up to `tileColumns` queries, each in a lane of its own.
private struct AttentionPanel {
  let queries: AttentionTokens
  /// scale · Qᵀ / ln 2, [headSize, tileColumns], whose products with keys are exponents of two.
  private let exponents: Floats
  /// The largest score, [tileColumns].
  private let largest: Floats
  /// The sum of the exponentials of all scores less the largest, [tileColumns].
  private let total: Floats
  /// The values times these exponentials, [headSize, tileColumns].
  private let weighted: Floats

  @inline(__always)
  init(_ workspace: Floats, _ head: AttentionHead, _ queries: AttentionTokens) {
    self.queries = queries
    exponents = workspace
    largest = exponents + head.headSize * Kernels.tileColumns
    total = largest + Kernels.tileColumns
    weighted = total + Kernels.tileColumns
  }

  static func size(_ headSize: Int) -> Int { (2 * headSize + 2) * Kernels.tileColumns }

  /// How many keys the last of the queries sees.
  @inline(__always)
  func visibleKeys(_ head: AttentionHead) -> Int {
    head.isCausal ? min(queries.first + queries.count, head.keyCount) : head.keyCount
  }

  /// Takes the queries in.
  @inline(__always)
  func begin(_ head: AttentionHead, _ q: ConstantFloats) {
    let size = head.headSize * Kernels.tileColumns
    Kernels.packPanels(
      q + queries.first * head.tokenStride, stride: head.tokenStride, isTransposed: true, depth: head.headSize,
      columns: queries.count, into: exponents)
    let factor = head.scale * 1.442_695_04
    for i in 0..<size { exponents[i] *= factor }
    for lane in 0..<Kernels.tileColumns {
      largest[lane] = -.infinity
      total[lane] = 0
    }
    for i in 0..<size { weighted[i] = 0 }
  }

  /// Takes some keys and values into account.
  func attend<Width: TileWidth>(
    _ width: Width.Type, _ head: AttentionHead, _ keys: AttentionTokens, _ k: ConstantFloats, _ v: ConstantFloats,
    scores: Floats
  ) {
    let pitch = Kernels.tileColumns
    let half = Vector.scalarCount
    let (first, stride) = (keys.first * head.tokenStride, head.tokenStride)
    let (oldLeft, oldRight) = (ConstantFloats(largest).vector(), ConstantFloats(largest).vector(at: half))
    var products = Scores(
      scores: scores, left: oldLeft, right: oldRight, isCausal: head.isCausal, lane: keys.first - queries.first)
    Kernels.multiply(
      width, rows: k + first, stride: stride, rowCount: keys.count, depth: head.headSize, exponents, pitch: pitch,
      into: &products)
    let (left, right) = (products.left, products.right)
    let (keptLeft, keptRight) = (VectorMath.normalExp2(oldLeft - left), VectorMath.normalExp2(oldRight - right))
    var (leftSum, rightSum) = (Vector.zero, Vector.zero)
    var score = scores
    for _ in 0..<keys.count {
      let a = VectorMath.normalExp2(ConstantFloats(score).vector() - left)
      leftSum += a
      score.store(a)
      if Width.isWide {
        let b = VectorMath.normalExp2(ConstantFloats(score).vector(at: half) - right)
        rightSum += b
        score.store(b, at: half)
      }
      score += pitch
    }
    largest.store(left)
    total.store(VectorMath.multiplyAdd(ConstantFloats(total).vector(), keptLeft, leftSum))
    if Width.isWide {
      largest.store(right, at: half)
      total.store(VectorMath.multiplyAdd(ConstantFloats(total).vector(at: half), keptRight, rightSum), at: half)
    }
    var sums = WeightedSums(sums: weighted, left: keptLeft, right: keptRight)
    Kernels.multiply(
      width, columns: v + first, stride: stride, rowCount: head.headSize, depth: keys.count, scores, pitch: pitch,
      into: &sums)
  }

  /// Writes the results.
  @inline(__always)
  func finish(_ head: AttentionHead, into out: Floats, logSumExp: Floats) {
    let pitch = Kernels.tileColumns
    var column = 0
    while column < queries.count {
      let sum = ConstantFloats(total).vector(at: column)
      let logarithm = VectorMath.multiplyAdd(
        ConstantFloats(largest).vector(at: column), Vector(repeating: 0.693_147_181), VectorMath.logarithm(sum))
      logSumExp.store(
        logarithm, at: queries.first + column, count: min(queries.count - column, Vector.scalarCount))
      let factor = 1 / sum
      for row in 0..<head.headSize {
        let place = weighted + row * pitch + column
        place.store(ConstantFloats(place).vector() * factor)
      }
      column += Vector.scalarCount
    }
    Kernels.transpose(
      weighted, stride: pitch, rows: head.headSize, columns: queries.count,
      into: out + queries.first * head.tokenStride, stride: head.tokenStride, bias: nil, .overwrite)
  }
}

/// Keeps scores and their maxima. Rows are keys, lanes are queries.
private struct Scores: RowSink {
  let scores: Floats
  var left, right: Vector
  let isCausal: Bool
  /// The lane of the first query that sees the first key.
  let lane: Int

  @inline(__always)
  mutating func take<Width: TileWidth>(_ row: Int, _ left: Vector, _ right: Vector, of _: Width.Type) {
    let half = Vector.scalarCount
    var (a, b) = (left, right)
    if isCausal && lane + row > 0 {
      a.replace(with: -.infinity, where: Kernels.lanes .< Float(lane + row))
      b.replace(with: -.infinity, where: Kernels.lanes .< Float(lane + row - half))
    }
    self.left = VectorMath.maximum(self.left, a)
    scores.store(a, at: row * Kernels.tileColumns)
    if Width.isWide {
      self.right = VectorMath.maximum(self.right, b)
      scores.store(b, at: row * Kernels.tileColumns + half)
    }
  }
}

/// Adds to sums of weighted values, of which a factor is kept. Rows are components of values, lanes are queries.
private struct WeightedSums: RowSink {
  let sums: Floats
  let left, right: Vector

  @inline(__always)
  func take<Width: TileWidth>(_ row: Int, _ left: Vector, _ right: Vector, of _: Width.Type) {
    let (sum, half) = (sums + row * Kernels.tileColumns, Vector.scalarCount)
    sum.store(VectorMath.multiplyAdd(ConstantFloats(sum).vector(), self.left, left))
    if Width.isWide {
      sum.store(VectorMath.multiplyAdd(ConstantFloats(sum).vector(at: half), self.right, right), at: half)
    }
  }
}
