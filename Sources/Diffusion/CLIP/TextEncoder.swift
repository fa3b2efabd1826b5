/// CLIP's text encoder (Radford et al., 2021), transformers' `CLIPTextModel`.
public struct TextEncoder: Sendable {
  /// The options it was built from.
  public let configuration: TextConfiguration

  /// The key of the vectors of the encoder's own tokens.
  static let tokenTable = "text_model.embeddings.token_embedding.weight"

  private let tokens, positions: Embedding
  /// The vectors of new tokens, [tokens, hiddenSize], and the row of each by its id.
  private let newTokens: (vectors: Parameter, rows: [Int32: Int])?
  /// 0, 1, 2, … as Int32, [maximumLength].
  private let places: Tensor
  private let layers: [TextEncoderLayer]
  private let norm: LayerNorm

  /// Builds the encoder with its parameters from `scope`; every key begins with `text_model.`.
  ///
  /// Of the scope's additions it takes adapters and `NewTokens`.
  public init(_ scope: Scope, _ configuration: TextConfiguration) throws {
    self.configuration = configuration
    let scope = scope["text_model"]
    let initial = InitialDistribution.normal(standardDeviation: 0.02 * configuration.initializerFactor)
    let embeddings = scope["embeddings"]
    tokens = try Embedding(
      embeddings["token_embedding"], configuration.vocabularySize, configuration.hiddenSize, initial: initial)
    newTokens = try scope.additions.compactMap { $0 as? NewTokens }.first.map { new in
      let vectors = try embeddings["new_token_embedding"].parameter(
        "weight", [new.ids.count, configuration.hiddenSize], initial: initial, addition: new.name)
      return (vectors, Dictionary(uniqueKeysWithValues: new.ids.enumerated().map { (Int32($1), $0) }))
    }
    positions = try Embedding(
      embeddings["position_embedding"], configuration.maximumLength, configuration.hiddenSize, initial: initial)
    layers = try (0..<configuration.layers).map { try TextEncoderLayer(scope["encoder"]["layers"][$0], configuration) }
    norm = try LayerNorm(
      scope["final_layer_norm"], configuration.hiddenSize, epsilon: configuration.normEpsilon)
    let indices = (0..<configuration.maximumLength).map(Int32.init)
    places = Tensor(indices, [indices.count], on: scope.backend)
  }

  /// The states that the UNet attends to: those of the last layer, normalised.
  ///
  /// - Parameters:
  ///   - ids: Int32 token ids, [batch, tokens].
  ///   - checkpointing: whether each layer's activations are recomputed in the backward pass instead of kept.
  /// - Returns: [batch, tokens, hiddenSize], in the type that the encoder computes in.
  public func callAsFunction(_ ids: Tensor, checkpointing: Bool = false) -> Variable {
    self(EncodedPrompts(ids), checkpointing: checkpointing)
  }

  /// The states that the UNet attends to, for prompts that `prompts` has prepared.
  ///
  /// - Parameter checkpointing: whether each layer's activations are recomputed in the backward pass instead of kept.
  public func callAsFunction(_ prompts: EncodedPrompts, checkpointing: Bool = false) -> Variable {
    norm(layers.reduce(embedded(prompts)) { $1($0, checkpointing: checkpointing) })
  }

  /// Prepares prompts, which may hold new tokens.
  ///
  /// - Parameter ids: those of each prompt, all of the same length.
  public func prompts(_ ids: [[Int32]]) -> EncodedPrompts {
    EncodedPrompts(ids, newTokens: newTokens?.rows ?? [:], on: places.backend)
  }

  /// The embedded tokens and every layer's states, none of them passed through the final normalisation.
  ///
  /// - Parameter ids: Int32 token ids, [batch, tokens].
  /// - Returns: one more than there are layers, each [batch, tokens, hiddenSize].
  func hiddenStates(_ ids: Tensor) -> [Variable] {
    layers.reduce(into: [embedded(EncodedPrompts(ids))]) { $0.append($1($0[$0.count - 1], checkpointing: false)) }
  }

  private func embedded(_ prompts: EncodedPrompts) -> Variable {
    let ids = prompts.ids
    require(
      ids.shape.rank == 2 && ids.shape[1] <= configuration.maximumLength,
      "TextEncoder: ids \(ids.shape) are not [batch, at most \(configuration.maximumLength) tokens]")
    return vectors(prompts) + positions(places.rows(0..<ids.shape[1]))
  }

  /// The vectors of the tokens, [batch, tokens, hiddenSize].
  private func vectors(_ prompts: EncodedPrompts) -> Variable {
    let own = tokens(prompts.ids)
    guard let newTokens, let places = prompts.places else { return own }
    let width = configuration.hiddenSize
    return own.reshaped([prompts.ids.count, width]).concatenated(with: newTokens.vectors.variable, axis: 0)
      .gathered(places)
  }
}

/// One layer: causal self-attention and two matrices, each normalised before and added to what was.
private struct TextEncoderLayer: Sendable {
  private let norm1, norm2: LayerNorm
  private let attention: MultiHeadAttention
  private let expand, contract: Linear
  private let activation: TextConfiguration.Activation

  init(_ scope: Scope, _ configuration: TextConfiguration) throws {
    let width = configuration.hiddenSize
    let initial = InitialDeviations(configuration)
    norm1 = try LayerNorm(scope["layer_norm1"], width, epsilon: configuration.normEpsilon)
    let projections = scope["self_attn"]
    attention = MultiHeadAttention(
      query: try Linear(projections["q_proj"], width, width, initial: initial.inward),
      key: try Linear(projections["k_proj"], width, width, initial: initial.inward),
      value: try Linear(projections["v_proj"], width, width, initial: initial.inward),
      output: try Linear(projections["out_proj"], width, width, initial: initial.outward),
      heads: configuration.heads, isCausal: true)
    norm2 = try LayerNorm(scope["layer_norm2"], width, epsilon: configuration.normEpsilon)
    expand = try Linear(scope["mlp"]["fc1"], width, configuration.intermediateSize, initial: initial.expanding)
    contract = try Linear(scope["mlp"]["fc2"], configuration.intermediateSize, width, initial: initial.inward)
    activation = configuration.activation
  }

  func callAsFunction(_ x: Variable, checkpointing: Bool) -> Variable {
    checkpointing ? checkpoint([x]) { run($0[0]) } : run(x)
  }

  private func run(_ x: Variable) -> Variable {
    let normalized = norm1(x)
    let h = x + attention(normalized, context: normalized)
    let expanded = expand(norm2(h))
    switch activation {
    case .quickGELU: return h + contract(expanded.quickGELU())
    case .gelu: return h + contract(expanded.gelu())
    }
  }
}

/// CLIP's initial weights: normal, narrower the more layers add up; biases are zero.
private struct InitialDeviations {
  typealias Pair = (weight: InitialDistribution, bias: InitialDistribution)
  let inward, outward, expanding: Pair

  init(_ configuration: TextConfiguration) {
    let width = Float(configuration.hiddenSize)
    func pair(_ deviation: Float) -> Pair {
      (.normal(standardDeviation: deviation * configuration.initializerFactor), .constant(0))
    }
    inward = pair(1 / (width * 2 * Float(configuration.layers)).squareRoot())
    outward = pair(1 / width.squareRoot())
    expanding = pair(1 / (2 * width).squareRoot())
  }
}
