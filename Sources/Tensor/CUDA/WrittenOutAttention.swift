/// Attention by matrix products, with the scores of a part of the queries written out at a time. It takes any type,
/// head size and number of tokens; what flash attention computes faster does not come here.
///
/// Products run over all heads of a sample at once. Scores are Float32; the weights P and their derivatives dS, which
/// the next product reads, are rounded to the type of the operands, as in flash attention.
extension CUDABackend {
  /// softmax(scale · QKᵀ) V of at least one query and one key.
  func writtenOutAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    let heads = WrittenOutHeads(queries: q.shape, keys: k.shape, q.dtype)
    let scores = scratch(byteCount: heads.scoreCount * DType.float32.byteCount)
    let weights = q.dtype == .float32 ? scores : scratch(byteCount: heads.scoreCount * q.dtype.byteCount)
    for part in heads.parts {
      writeScores(of: part, heads, q, k, scale: spec.scale, into: scores)
      launch(
        Kernel(.attentionSoftmax, "softmaxRows", KernelMacro("T", q.dtype)), grid: heads.rows(of: part),
        threads: heads.threads, .tensor(scores), .tensor(weights),
        .tensor(logSumExp.rows(part.sample..<part.sample + 1)), .int32(part.count), .int32(part.first),
        .int32(heads.queryCount), .int32(heads.keyCount), .int32(heads.rowStride), .int32(spec.causal ? 1 : 0))
      multiply(
        m: part.count, n: heads.headSize, k: heads.keyCount, batchCount: heads.headCount,
        heads.scores(weights, q.dtype, part), heads.keys(v, part), into: heads.queries(out, part))
    }
  }

  /// The derivatives of attention, from the logarithms of the sums of exponentials.
  ///
  /// With P the softmax weights and G the gradient: dV = Pᵀ G, dS = scale · P ∘ (G Vᵀ - δ) with δ the row sums of
  /// G ∘ out, dQ = dS K and dK = dSᵀ Q (T. Dao et al., FlashAttention, 2022). What the parts of the queries contribute
  /// to keys and values is added up in their order.
  func writtenOutAttentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    let heads = WrittenOutHeads(queries: q.shape, keys: k.shape, q.dtype)
    let wantsScores = dq != nil || dk != nil
    func scoreScratch(_ dtype: DType) -> Tensor { scratch(byteCount: heads.scoreCount * dtype.byteCount) }
    let scores = scoreScratch(.float32)
    let weights = dv == nil ? nil : q.dtype == .float32 ? scores : scoreScratch(q.dtype)
    let dweights = wantsScores ? scoreScratch(.float32) : nil
    let dscores = wantsScores ? q.dtype == .float32 ? dweights : scoreScratch(q.dtype) : nil
    let projections = wantsScores ? projection(of: gradient, on: out, like: logSumExp) : nil

    for sample in 0..<heads.sampleCount {
      let keySum = dk.map { PartialSum($0, sample: sample, parts: heads.partsPerSample) }
      let valueSum = dv.map { PartialSum($0, sample: sample, parts: heads.partsPerSample) }
      for part in heads.parts(of: sample) {
        writeScores(of: part, heads, q, k, scale: spec.scale, into: scores)
        if let dweights {
          multiply(
            m: part.count, n: heads.keyCount, k: heads.headSize, batchCount: heads.headCount,
            heads.queries(gradient, part), heads.keys(v, part).transposed,
            into: heads.scores(dweights, .float32, part))
        }
        launch(
          Kernel(.attentionSoftmax, "softmaxRowsBackward", KernelMacro("T", q.dtype)), grid: heads.rows(of: part),
          threads: heads.threads, .tensor(scores), .optional(dweights),
          .tensor(logSumExp.rows(sample..<sample + 1)), .optional(projections?.rows(sample..<sample + 1)),
          .optional(weights), .optional(dscores), .int32(part.count), .int32(part.first), .int32(heads.queryCount),
          .int32(heads.keyCount), .int32(heads.rowStride), .int32(spec.causal ? 1 : 0), .float(spec.scale))
        if let valueSum, let weights {
          add(weights, gradient, part, heads, to: valueSum)
        }
        if let dq, let dscores {
          multiply(
            m: part.count, n: heads.headSize, k: heads.keyCount, batchCount: heads.headCount,
            heads.scores(dscores, q.dtype, part), heads.keys(k, part), beta: dq.write == .accumulate ? 1 : 0,
            into: heads.queries(dq.tensor, part))
        }
        if let keySum, let dscores {
          add(dscores, q, part, heads, to: keySum)
        }
      }
      for sum in [keySum, valueSum] { sum?.finish(on: self) }
    }
  }

  /// scale · QKᵀ of a part of the queries.
  private func writeScores(
    of part: WrittenOutHeads.Part, _ heads: WrittenOutHeads, _ q: Tensor, _ k: Tensor, scale: Float,
    into scores: Tensor
  ) {
    multiply(
      m: part.count, n: heads.keyCount, k: heads.headSize, batchCount: heads.headCount, heads.queries(q, part),
      heads.keys(k, part).transposed, alpha: scale, into: heads.scores(scores, .float32, part))
  }

  /// Adds the transposed scores times tokens of queries to a sum over the keys.
  private func add(
    _ scores: Tensor, _ tokens: Tensor, _ part: WrittenOutHeads.Part, _ heads: WrittenOutHeads, to sum: PartialSum
  ) {
    multiply(
      m: heads.keyCount, n: heads.headSize, k: part.count, batchCount: heads.headCount,
      heads.scores(scores, tokens.dtype, part).transposed, heads.queries(tokens, part),
      beta: part.first == 0 ? sum.firstBeta : 1, into: heads.matrices(sum.tensor, offset: 0))
  }

  /// δ: the sums of gradient times output over the head, [batch, heads, queries].
  private func projection(of gradient: Tensor, on out: Tensor, like logSumExp: Tensor) -> Tensor {
    let projections = logSumExp.emptyLike()
    let (threads, lanes) = (128, 32)
    launch(
      Kernel(.attentionSoftmax, "projectGradient", KernelMacro("T", out.dtype)),
      grid: .covering(logSumExp.count, perBlock: threads / lanes), threads: threads, .tensor(out), .tensor(gradient),
      .tensor(projections), .int64(logSumExp.count), .int32(out.shape[1]), .int32(out.shape[2]), .int32(out.shape[3]))
    return projections
  }
}

/// Queries [batch, queries, heads, size] against keys [batch, keys, heads, size], cut into parts of the queries of one
/// sample whose Float32 scores stay within 64 MiB.
private struct WrittenOutHeads {
  /// Neighbouring queries of one sample.
  struct Part {
    let sample: Int
    let first: Int
    let count: Int
  }

  let sampleCount: Int
  let queryCount: Int
  let keyCount: Int
  let headCount: Int
  let headSize: Int
  /// The keys of a row, rounded up so that every row starts at a multiple of 16 bytes in every type.
  let rowStride: Int
  private let partSize: Int

  init(queries: Shape, keys: Shape, _ dtype: DType) {
    (sampleCount, queryCount, headCount, headSize) = (queries[0], queries[1], queries[2], queries[3])
    keyCount = keys[1]
    rowStride = (keyCount + 7) / 8 * 8
    let rowBytes = headCount * rowStride * DType.float32.byteCount
    partSize = min(max((64 << 20) / rowBytes, 1), queryCount)
  }

  /// The scores of a part, in all heads.
  var scoreCount: Int { headCount * partSize * rowStride }

  /// The threads for a row: each takes four scores at a time.
  var threads: Int { min(max(rowStride / 4 / 32 * 32, 32), 256) }

  var partsPerSample: Int { (queryCount + partSize - 1) / partSize }

  /// The parts of all samples.
  var parts: [Part] { (0..<sampleCount).flatMap(parts(of:)) }

  /// The parts of one sample, the first queries first.
  func parts(of sample: Int) -> [Part] {
    stride(from: 0, to: queryCount, by: partSize).map {
      Part(sample: sample, first: $0, count: min(partSize, queryCount - $0))
    }
  }

  /// A block of threads for each score row of a part.
  func rows(of part: Part) -> KernelGrid { KernelGrid(headCount * part.count) }

  /// A matrix of scores for every head.
  func scores(_ scratch: Tensor, _ dtype: DType, _ part: Part) -> CUDAMatrices {
    CUDAMatrices(scratch, dtype, rowStride: rowStride, batchStride: part.count * rowStride)
  }

  /// The queries of a part: a matrix [queries, size] for every head.
  func queries(_ x: Tensor, _ part: Part) -> CUDAMatrices {
    matrices(x, offset: (part.sample * queryCount + part.first) * headCount * headSize)
  }

  /// The keys that a part sees: a matrix [keys, size] for every head.
  func keys(_ x: Tensor, _ part: Part) -> CUDAMatrices {
    matrices(x, offset: part.sample * keyCount * headCount * headSize)
  }

  /// The tokens from an element on: a matrix [tokens, size] for every head.
  func matrices(_ x: Tensor, offset: Int) -> CUDAMatrices {
    CUDAMatrices(x, offset: offset, rowStride: headCount * headSize, batchStride: headSize)
  }
}

/// The derivative by the keys or values of one sample while the parts of the queries add to it: in Float32 where a
/// shorter type would round every time.
private struct PartialSum {
  /// What is added to, [1, keys, heads, size].
  let tensor: Tensor
  /// What the first part multiplies the contents by.
  let firstBeta: Float
  /// Where the sum goes at the end, if it is not there already.
  private let destination: Destination?

  init(_ destination: Destination, sample: Int, parts: Int) {
    let rows = destination.tensor.rows(sample..<sample + 1)
    if parts == 1 || rows.dtype == .float32 {
      tensor = rows
      firstBeta = destination.write == .accumulate ? 1 : 0
      self.destination = nil
    } else {
      tensor = rows.emptyLike(dtype: .float32)
      firstBeta = 0
      self.destination = Destination(tensor: rows, write: destination.write)
    }
  }

  /// Rounds the sum to where it belongs.
  func finish(on backend: CUDABackend) {
    if let destination { backend.cast(tensor, into: destination) }
  }
}
