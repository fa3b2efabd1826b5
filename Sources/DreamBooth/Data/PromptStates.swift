/// What the text encoder makes of the prompts of a batch, which are the same in every batch.
///
/// Where the encoder is not trained, each prompt is encoded once and the states are kept.
struct PromptStates: Sendable {
  private enum Storage: Sendable {
    case cached(Tensor)
    case encoding(TextEncoder, ids: Tensor, checkpointing: Bool)
  }

  private let storage: Storage

  /// The states of one prompt for each picture of a batch.
  ///
  /// - Parameters:
  ///   - isTrained: whether the encoder changes from batch to batch.
  ///   - checkpointing: whether its activations are computed twice instead of being kept.
  init(
    _ prompts: [String], _ tokenizer: CLIPTokenizer, _ encoder: TextEncoder, isTrained: Bool,
    checkpointing: Bool = false, on backend: any Backend
  ) {
    if isTrained {
      let ids = Tensor(prompts.flatMap(tokenizer.encode), [prompts.count, tokenizer.maximumLength], on: backend)
      storage = .encoding(encoder, ids: ids, checkpointing: checkpointing)
      return
    }
    var known: [String: Tensor] = [:]
    for prompt in prompts where known[prompt] == nil {
      let ids = Tensor(tokenizer.encode(prompt), [1, tokenizer.maximumLength], on: backend)
      known[prompt] = withoutRecording { encoder(ids).value }
    }
    storage = .cached(Tensor.concatenated(prompts.map { known[$0]! }, axis: 0))
  }

  /// The states of the next batch, [batch, tokens, width].
  func callAsFunction() -> Variable {
    switch storage {
    case .cached(let states): Variable(states)
    case .encoding(let encoder, let ids, let checkpointing): encoder(ids, checkpointing: checkpointing)
    }
  }
}
