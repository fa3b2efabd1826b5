import CPUKernels

/// Queries [batch, queries, heads, size] against keys [batch, keys, heads, size], one head of one sample after the other.
struct AttentionHeads {
  /// The heads of all samples.
  let count: Int
  let queryCount: Int
  let keyCount: Int
  let size: Int
  let tokenStride: Int
  private let headsPerSample: Int

  init(queries: Shape, keys: Shape) {
    (queryCount, keyCount) = (queries[1], keys[1])
    (headsPerSample, size) = (queries[2], queries[3])
    count = queries[0] * queries[2]
    tokenStride = queries[2] * queries[3]
  }

  /// What kernels are told of each head.
  func head(_ spec: Attention) -> AttentionHead {
    AttentionHead(
      keyCount: keyCount, headSize: size, tokenStride: tokenStride, scale: spec.scale, isCausal: spec.causal)
  }

  /// Where the queries of a head start, in elements.
  func queryOffset(_ head: Int) -> Int { offset(head, queryCount) }

  /// Where the keys of a head start, in elements.
  func keyOffset(_ head: Int) -> Int { offset(head, keyCount) }

  private func offset(_ head: Int, _ tokens: Int) -> Int {
    let (sample, head) = head.quotientAndRemainder(dividingBy: headsPerSample)
    return sample * tokens * tokenStride + head * size
  }
}

/// The tokens of a head cut into equal parts, the last of which may be shorter.
struct AttentionParts {
  let tokenCount: Int
  let size: Int

  /// Parts of `size` tokens.
  init(_ tokenCount: Int, size: Int) {
    self.tokenCount = tokenCount
    self.size = size
  }

  /// At most `count` parts whose sizes are multiples of `block`, none below half a thousand tokens unless it is alone.
  init(_ tokenCount: Int, atMost count: Int, block: Int) {
    let parts = max(min(count, tokenCount / 512), 1)
    self.init(tokenCount, size: max((tokenCount + parts * block - 1) / (parts * block), 1) * block)
  }

  /// How many parts there are: one even without tokens.
  var count: Int { max((tokenCount + size - 1) / size, 1) }

  /// The tokens of a part.
  subscript(number: Int) -> AttentionTokens {
    AttentionTokens(number * size, count: min(size, tokenCount - number * size))
  }
}
