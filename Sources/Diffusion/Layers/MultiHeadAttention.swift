/// Attention with several heads side by side (Vaswani et al., 2017).
struct MultiHeadAttention: Sendable {
  let query, key, value, output: Linear
  let heads: Int
  var isCausal = false

  /// What each position of `x` [batch, length, channels] finds in `context` [batch, contextLength, contextChannels].
  func callAsFunction(_ x: Variable, context: Variable) -> Variable {
    let q = split(query(x))
    let scale = 1 / Float(q.shape[-1]).squareRoot()
    let found = q.attention(
      keys: split(key(context)), values: split(value(context)), Attention(scale: scale, causal: isCausal))
    return output(found.reshaped([x.shape[0], x.shape[1], heads * q.shape[-1]]))
  }

  /// [batch, length, channels] → [batch, length, heads, headSize].
  private func split(_ x: Variable) -> Variable {
    x.reshaped([x.shape[0], x.shape[1], heads, x.shape[2] / heads])
  }
}

extension MultiHeadAttention {
  /// Attention under diffusers' names.
  ///
  /// - Parameters:
  ///   - contextChannels: the width of what is attended to; the channels themselves if left out.
  ///   - bias: whether queries, keys and values have a bias; the output always has one.
  init(_ scope: Scope, _ channels: Int, contextChannels: Int? = nil, heads: Int, bias: Bool = false) throws {
    let contextChannels = contextChannels ?? channels
    self.init(
      query: try Linear(scope["to_q"], channels, channels, bias: bias),
      key: try Linear(scope["to_k"], contextChannels, channels, bias: bias),
      value: try Linear(scope["to_v"], contextChannels, channels, bias: bias),
      output: try Linear(scope["to_out"][0], channels, channels),
      heads: heads)
  }
}
