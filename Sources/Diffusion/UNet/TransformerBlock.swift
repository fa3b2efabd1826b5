/// Self-attention, attention to the text and a feed-forward layer, each normalised before and added to what was.
struct TransformerBlock: Sendable {
  private let norm1, norm2, norm3: LayerNorm
  private let selfAttention, crossAttention: MultiHeadAttention
  private let feedForward: FeedForward

  init(_ scope: Scope, _ channels: Int, contextChannels: Int, heads: Int) throws {
    norm1 = try LayerNorm(scope["norm1"], channels)
    selfAttention = try MultiHeadAttention(scope["attn1"], channels, heads: heads)
    norm2 = try LayerNorm(scope["norm2"], channels)
    crossAttention = try MultiHeadAttention(
      scope["attn2"], channels, contextChannels: contextChannels, heads: heads)
    norm3 = try LayerNorm(scope["norm3"], channels)
    feedForward = try FeedForward(scope["ff"], channels)
  }

  /// [batch, length, channels], attending to `context` [batch, tokens, contextChannels].
  func callAsFunction(_ x: Variable, context: Variable) -> Variable {
    let normalized = norm1(x)
    var h = x + selfAttention(normalized, context: normalized)
    h = h + crossAttention(norm2(h), context: context)
    return h + feedForward(norm3(h))
  }
}

/// Two matrices with a gated activation between them (Shazeer, 2020).
struct FeedForward: Sendable {
  private let project, output: Linear

  /// The inner width over the outer.
  private static let expansion = 4

  init(_ scope: Scope, _ channels: Int) throws {
    // Between 0 and 2 stands a dropout without parameters.
    project = try Linear(scope["net"][0]["proj"], channels, 2 * Self.expansion * channels)
    output = try Linear(scope["net"][2], Self.expansion * channels, channels)
  }

  /// [..., channels].
  func callAsFunction(_ x: Variable) -> Variable { output(project(x).geglu()) }
}
