/// What the text encoder makes of the prompts of a batch, which are the same in every batch.
///
/// Where the encoder is not trained, each prompt is encoded once and the states are kept.
struct PromptStates: Sendable {
  private enum Storage: Sendable {
    case cached(Tensor)
    case encoding(TextEncoder, EncodedPrompts, checkpointing: Bool)
  }

  private let storage: Storage

  /// The states of one prompt for each picture of a batch.
  ///
  /// - Parameters:
  ///   - prompts: the token ids of each, all of one length.
  ///   - isTrained: whether the encoder changes from batch to batch.
  ///   - checkpointing: whether its activations are computed twice instead of being kept.
  init(
    _ prompts: [[Int32]], _ encoder: TextEncoder, isTrained: Bool, checkpointing: Bool = false
  ) {
    if isTrained {
      storage = .encoding(encoder, encoder.prompts(prompts), checkpointing: checkpointing)
      return
    }
    var known: [[Int32]: Tensor] = [:]
    for prompt in prompts where known[prompt] == nil {
      known[prompt] = withoutRecording { encoder(encoder.prompts([prompt])).value }
    }
    storage = .cached(Tensor.concatenated(prompts.map { known[$0]! }, axis: 0))
  }

  /// The states of the next batch, [batch, tokens, width].
  func callAsFunction() -> Variable {
    switch storage {
    case .cached(let states): Variable(states)
    case .encoding(let encoder, let prompts, let checkpointing): encoder(prompts, checkpointing: checkpointing)
    }
  }
}
