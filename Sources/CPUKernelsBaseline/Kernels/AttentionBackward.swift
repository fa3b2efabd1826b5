public import CPUKernels

/// The derivatives of attention, with the keys of a panel side by side in the lanes: derivatives by keys and values are
/// summed transposed, and queries and gradients are read where they lie.
///
/// With P the softmax weights, recomputed, and G the gradient: dV = Pᵀ G, dS = P ∘ (G Vᵀ - δ) with δ the row sums of
/// G ∘ out, dQ = scale · dS K and dK = scale · dSᵀ Q (T. Dao et al., 2022).
extension Kernels {
  /// The numbers of workspace that `attentionBackward` needs; see `AttentionKernels`.
  public static func attentionBackwardWorkspace(headSize: Int, queryCount: Int) -> Int {
    AttentionBackward.size(headSize, queryCount)
  }

  /// The numbers that hold derivatives until they are stored; see `AttentionKernels`.
  public static func attentionDerivatives(headSize: Int, count: Int) -> Int {
    (count + tileColumns - 1) / tileColumns * tileColumns * wholeVectors(headSize)
  }

  /// Contributions to the derivatives of one head; see `AttentionKernels`.
  public static func attentionBackward(
    _ head: AttentionHead, _ operands: AttentionOperands, queries: AttentionTokens, keys: AttentionTokens, dq: Floats?,
    dk: Floats?, dv: Floats?, workspace: Floats
  ) {
    clear(dq, attentionDerivatives(headSize: head.headSize, count: queries.count))
    clear(dk, attentionDerivatives(headSize: head.headSize, count: keys.count))
    clear(dv, attentionDerivatives(headSize: head.headSize, count: keys.count))
    let pass = AttentionBackward(head, operands, queries, workspace)
    pass.begin(needsScores: dq != nil || dk != nil)
    var done = 0
    while done < keys.count {
      let block = AttentionTokens(keys.first + done, count: min(attentionBlock, keys.count - done))
      let offset = done * wholeVectors(head.headSize)
      pass.carryOut(block, dq: dq, dk: dk.map { $0 + offset }, dv: dv.map { $0 + offset })
      done += attentionBlock
    }
  }

  @inline(__always)
  private static func clear(_ sums: Floats?, _ count: Int) {
    guard let sums else { return }
    for i in 0..<count { sums[i] = 0 }
  }

  /// Stores derivatives by queries; see `AttentionKernels`.
  public static func storeAttentionQueries(
    _ parts: Floats, distance: Int, partCount: Int, headSize: Int, count: Int, into out: Floats, stride: Int,
    _ write: Write
  ) {
    let pitch = wholeVectors(headSize)
    add(parts, distance, partCount, count * pitch)
    for token in 0..<count {
      var column = 0
      while column < headSize {
        let (to, width) = (out + token * stride + column, min(Vector.scalarCount, headSize - column))
        var numbers = ConstantFloats(parts).vector(at: token * pitch + column)
        if write == .accumulate { numbers += ConstantFloats(to).vector(count: width) }
        to.store(numbers, count: width)
        column += Vector.scalarCount
      }
    }
  }

  /// Stores derivatives by keys or values; see `AttentionKernels`.
  public static func storeAttentionKeys(
    _ parts: Floats, distance: Int, partCount: Int, headSize: Int, count: Int, into out: Floats, stride: Int,
    _ write: Write
  ) {
    add(parts, distance, partCount, attentionDerivatives(headSize: headSize, count: count))
    var token = 0
    while token < count {
      transpose(
        parts + token * wholeVectors(headSize), stride: tileColumns, rows: headSize,
        columns: min(tileColumns, count - token), into: out + token * stride, stride: stride, bias: nil, write)
      token += tileColumns
    }
  }

  /// Adds the other parts to the first.
  @inline(__always)
  private static func add(_ parts: Floats, _ distance: Int, _ partCount: Int, _ count: Int) {
    for part in 1..<max(partCount, 1) {
      for i in 0..<count { parts[i] += parts[part * distance + i] }
    }
  }
}

/// Some queries of a head on their way through its keys.
private struct AttentionBackward {
  private let head: AttentionHead
  private let operands: AttentionOperands
  private let queries: AttentionTokens
  /// log₂ Σ exp of each query's scores, [queries].
  private let logTotal: Floats
  /// scale · δ of each query, [queries].
  private let delta: Floats
  /// scale · Kᵀ / ln 2 of a block, panels [headSize, tileColumns].
  private let exponents: Floats
  /// Vᵀ of a block, panels [headSize, tileColumns].
  private let values: Floats
  /// K of a block, panels [keys, tileColumns].
  private let keys: Floats
  /// P of one panel, [queries of a block, tileColumns].
  private let weights: Floats
  /// scale · dS of a block, [queries of a block, keys of a block].
  private let scores: Floats

  @inline(__always)
  private static var block: Int { Kernels.attentionBlock }

  static func size(_ headSize: Int, _ queryCount: Int) -> Int {
    2 * queryCount + block * (3 * headSize + 2 * Kernels.tileColumns + block)
  }

  @inline(__always)
  init(_ head: AttentionHead, _ operands: AttentionOperands, _ queries: AttentionTokens, _ workspace: Floats) {
    self.head = head
    self.operands = operands
    self.queries = queries
    scores = workspace
    weights = scores + Self.block * Self.block
    exponents = weights + Self.block * Kernels.tileColumns
    values = exponents + Self.block * head.headSize
    keys = values + Self.block * head.headSize
    logTotal = keys + Self.block * (head.headSize + Kernels.tileColumns)
    delta = logTotal + queries.count
  }

  /// Computes what each query needs besides its scores.
  @inline(__always)
  func begin(needsScores: Bool) {
    for query in 0..<queries.count {
      logTotal[query] = operands.logSumExp[queries.first + query] * 1.442_695_04
    }
    guard needsScores else { return }
    for query in 0..<queries.count {
      let start = (queries.first + query) * head.tokenStride
      let (out, gradient) = (operands.out + start, operands.gradient + start)
      var (sum, column) = (Vector.zero, 0)
      while column < head.headSize {
        let count = min(Vector.scalarCount, head.headSize - column)
        addProduct(out.vector(at: column, count: count), gradient.vector(at: column, count: count), to: &sum)
        column += Vector.scalarCount
      }
      delta[query] = head.scale * VectorMath.sum(sum)
    }
  }

  /// Adds what one block of keys contributes.
  func carryOut(_ block: AttentionTokens, dq: Floats?, dk: Floats?, dv: Floats?) {
    pack(block)
    var done = head.isCausal ? max(block.first - queries.first, 0) / Self.block * Self.block : 0
    while done < queries.count {
      let tokens = AttentionTokens(queries.first + done, count: min(Self.block, queries.count - done))
      var lane = 0
      while lane < block.count {
        let count = min(Kernels.tileColumns, block.count - lane)
        let place = lane * Kernels.wholeVectors(head.headSize)
        let panel = AttentionTokens(block.first + lane, count: count)
        let (dkPanel, dvPanel) = (dk.map { $0 + place }, dv.map { $0 + place })
        if count > Vector.scalarCount {
          carryOut(Wide.self, tokens, panel, lane, needsScores: dq != nil, dk: dkPanel, dv: dvPanel)
        } else {
          carryOut(Narrow.self, tokens, panel, lane, needsScores: dq != nil, dk: dkPanel, dv: dvPanel)
        }
        lane += Kernels.tileColumns
      }
      if let dq { addQueries(tokens.count, block.count, dq + done * Kernels.wholeVectors(head.headSize)) }
      done += Self.block
    }
  }

  /// Puts the keys and values of a block in order.
  @inline(__always)
  private func pack(_ block: AttentionTokens) {
    let (start, stride) = (block.first * head.tokenStride, head.tokenStride)
    Kernels.packPanels(
      operands.k + start, stride: stride, isTransposed: true, depth: head.headSize, columns: block.count,
      into: exponents)
    let factor = head.scale * 1.442_695_04
    let padded = (block.count + Kernels.tileColumns - 1) / Kernels.tileColumns * Kernels.tileColumns
    for i in 0..<(padded * head.headSize) { exponents[i] *= factor }
    Kernels.packPanels(
      operands.v + start, stride: stride, isTransposed: true, depth: head.headSize, columns: block.count, into: values)
    Kernels.packPanels(
      operands.k + start, stride: stride, isTransposed: false, depth: block.count, columns: head.headSize, into: keys)
  }

  /// Adds to the derivatives by keys and values of one panel, and keeps those by its scores.
  private func carryOut<Width: TileWidth>(
    _ width: Width.Type, _ tokens: AttentionTokens, _ panel: AttentionTokens, _ lane: Int, needsScores: Bool,
    dk: Floats?, dv: Floats?
  ) {
    let (pitch, stride, size) = (Kernels.tileColumns, head.tokenStride, head.headSize)
    let place = lane * size
    let (q, gradient) = (operands.q + tokens.first * stride, operands.gradient + tokens.first * stride)
    var exponentials = Weights(
      weights: weights, logTotal: logTotal + (tokens.first - queries.first), isCausal: head.isCausal,
      lane: tokens.first - panel.first)
    Kernels.multiply(
      width, rows: q, stride: stride, rowCount: tokens.count, depth: size, exponents + place, pitch: pitch,
      into: &exponentials)
    if let dv {
      var sums = RowSums(start: dv, stride: pitch)
      Kernels.multiply(
        width, columns: gradient, stride: stride, rowCount: size, depth: tokens.count, weights, pitch: pitch,
        into: &sums)
    }
    guard needsScores || dk != nil else { return }

    var derivatives = ScoreDerivatives(
      scores: scores + lane, weights: weights, delta: delta + (tokens.first - queries.first), scale: head.scale)
    Kernels.multiply(
      width, rows: gradient, stride: stride, rowCount: tokens.count, depth: size, values + place, pitch: pitch,
      into: &derivatives)
    if let dk {
      var sums = RowSums(start: dk, stride: pitch)
      Kernels.multiply(
        width, columns: q, stride: stride, rowCount: size, depth: tokens.count, scores + lane, pitch: Self.block,
        into: &sums)
    }
  }

  /// dQ [queries, headSize] += scale · dS K of a block.
  @inline(__always)
  private func addQueries(_ queryCount: Int, _ keyCount: Int, _ dq: Floats) {
    var column = 0
    while column < head.headSize {
      let panel = keys + column * keyCount
      if head.headSize - column > Vector.scalarCount {
        addQueries(Wide.self, queryCount, keyCount, panel, dq + column)
      } else {
        addQueries(Narrow.self, queryCount, keyCount, panel, dq + column)
      }
      column += Kernels.tileColumns
    }
  }

  private func addQueries<Width: TileWidth>(
    _ width: Width.Type, _ queryCount: Int, _ keyCount: Int, _ panel: ConstantFloats, _ dq: Floats
  ) {
    var sums = RowSums(start: dq, stride: Kernels.wholeVectors(head.headSize))
    Kernels.multiply(
      width, rows: scores, stride: Self.block, rowCount: queryCount, depth: keyCount, panel,
      pitch: Kernels.tileColumns, into: &sums)
  }
}

/// Turns scores into softmax weights. Rows are queries, lanes are keys.
private struct Weights: RowSink {
  let weights: Floats
  /// log₂ Σ exp of each query's scores.
  let logTotal: Floats
  let isCausal: Bool
  /// The lane of the last key that the first query sees.
  let lane: Int

  @inline(__always)
  func take<Width: TileWidth>(_ row: Int, _ left: Vector, _ right: Vector, of _: Width.Type) {
    let (half, total) = (Vector.scalarCount, Vector(repeating: logTotal[row]))
    var a = VectorMath.normalExp2(left - total)
    var b = Width.isWide ? VectorMath.normalExp2(right - total) : .zero
    if isCausal && lane + row < Kernels.tileColumns {
      a.replace(with: 0, where: Kernels.lanes .> Float(lane + row))
      b.replace(with: 0, where: Kernels.lanes .> Float(lane + row - half))
    }
    weights.store(a, at: row * Kernels.tileColumns)
    if Width.isWide { weights.store(b, at: row * Kernels.tileColumns + half) }
  }
}

/// Turns derivatives by weights into scale · derivatives by scores. Rows are queries, lanes are keys.
private struct ScoreDerivatives: RowSink {
  let scores: Floats
  let weights: Floats
  /// scale · δ of each query.
  let delta: Floats
  let scale: Float

  @inline(__always)
  func take<Width: TileWidth>(_ row: Int, _ left: Vector, _ right: Vector, of _: Width.Type) {
    let half = Vector.scalarCount
    let (to, weight) = (scores + row * Kernels.attentionBlock, ConstantFloats(weights + row * Kernels.tileColumns))
    let (scale, delta) = (Vector(repeating: scale), Vector(repeating: -delta[row]))
    to.store(VectorMath.multiplyAdd(left, scale, delta) * weight.vector())
    if Width.isWide { to.store(VectorMath.multiplyAdd(right, scale, delta) * weight.vector(at: half), at: half) }
  }
}
