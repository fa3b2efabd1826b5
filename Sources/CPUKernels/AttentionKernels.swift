/// Attention without a matrix of scores: blocks of them are computed, used and forgotten (T. Dao et al.,
/// FlashAttention, 2022; T. Dao, FlashAttention-2, 2023).
public protocol AttentionKernels: SendableMetatype {
  /// The most queries that one call of `attention` takes. Parts of the other calls are cut at its multiples.
  static var attentionBlock: Int { get }

  /// How many numbers of workspace `attention` needs.
  static func attentionWorkspace(headSize: Int) -> Int

  /// softmax(scale · QKᵀ) V for some queries of one head, and the logarithms of the sums of exponentials.
  ///
  /// - Parameters:
  ///   - queries: at most `attentionBlock`.
  ///   - q: the head's first query. Queries, keys, values and results lie `tokenStride` apart.
  ///   - k: the head's first key.
  ///   - v: the head's first value.
  ///   - out: the head's first result.
  ///   - logSumExp: the head's logarithms, [all queries].
  static func attention(
    _ head: AttentionHead, queries: AttentionTokens, _ q: ConstantFloats, _ k: ConstantFloats, _ v: ConstantFloats,
    into out: Floats, logSumExp: Floats, workspace: Floats)

  /// How many numbers of workspace `attentionBackward` needs.
  static func attentionBackwardWorkspace(headSize: Int, queryCount: Int) -> Int

  /// How many numbers hold the derivatives by `count` tokens of one head, until they are stored.
  static func attentionDerivatives(headSize: Int, count: Int) -> Int

  /// What some queries and keys of one head contribute to its derivatives, each computed only where it is wanted.
  ///
  /// - Parameters:
  ///   - operands: what is differentiated, each at the head's first token.
  ///   - keys: begin at a multiple of `attentionBlock`.
  ///   - dq: derivatives by these queries, for `storeAttentionQueries`.
  ///   - dk: derivatives by these keys, for `storeAttentionKeys`.
  ///   - dv: derivatives by their values, for `storeAttentionKeys`.
  static func attentionBackward(
    _ head: AttentionHead, _ operands: AttentionOperands, queries: AttentionTokens, keys: AttentionTokens, dq: Floats?,
    dk: Floats?, dv: Floats?, workspace: Floats)

  /// Stores `count` derivatives by queries, each the sum of `partCount` contributions that lie `distance` apart. The
  /// first of these is overwritten by the sum.
  static func storeAttentionQueries(
    _ parts: Floats, distance: Int, partCount: Int, headSize: Int, count: Int, into out: Floats, stride: Int,
    _ write: Write)

  /// Stores `count` derivatives by keys or values, like `storeAttentionQueries`.
  static func storeAttentionKeys(
    _ parts: Floats, distance: Int, partCount: Int, headSize: Int, count: Int, into out: Floats, stride: Int,
    _ write: Write)
}

/// What the attentions of one head have in common.
public struct AttentionHead: Sendable {
  /// How many keys and values there are.
  public let keyCount: Int
  /// The numbers of a token in this head.
  public let headSize: Int
  /// The distance between tokens.
  public let tokenStride: Int
  /// What scores are multiplied by.
  public let scale: Float
  /// Whether a query sees no key after its own position.
  public let isCausal: Bool

  /// One head of tokens that lie `tokenStride` apart.
  public init(keyCount: Int, headSize: Int, tokenStride: Int, scale: Float, isCausal: Bool) {
    self.keyCount = keyCount
    self.headSize = headSize
    self.tokenStride = tokenStride
    self.scale = scale
    self.isCausal = isCausal
  }
}

/// Neighbouring tokens of a head.
public struct AttentionTokens: Sendable {
  /// The number of the first.
  public let first: Int
  /// How many there are.
  public let count: Int

  /// `count` tokens from `first` on.
  public init(_ first: Int, count: Int) {
    self.first = first
    self.count = count
  }
}

/// What an attention has read and written, and the derivative by its result, each at the first token of a head.
public struct AttentionOperands {
  /// Queries, and keys and their values.
  public let q, k, v: ConstantFloats
  /// The result, and the derivative by it.
  public let out, gradient: ConstantFloats
  /// The logarithms of the sums of exponentials, [queries].
  public let logSumExp: ConstantFloats

  /// The addresses of one head.
  public init(
    q: ConstantFloats, k: ConstantFloats, v: ConstantFloats, out: ConstantFloats, gradient: ConstantFloats,
    logSumExp: ConstantFloats
  ) {
    self.q = q
    self.k = k
    self.v = v
    self.out = out
    self.gradient = gradient
    self.logSumExp = logSumExp
  }
}
