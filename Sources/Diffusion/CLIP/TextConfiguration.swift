import Foundation

/// The options of transformers' `CLIPTextModel`.
public struct TextConfiguration: Sendable, Equatable {
  /// The activation between the two matrices of a layer.
  public enum Activation: String, Sendable, CaseIterable {
    /// x · sigmoid(1.702 x): CLIP ViT-L, the text encoder of Stable Diffusion 1.
    case quickGELU = "quick_gelu"
    /// The exact GELU: OpenCLIP, the text encoder of Stable Diffusion 2.
    case gelu
  }

  /// The number of token ids.
  public let vocabularySize: Int
  /// The width of the states.
  public let hiddenSize: Int
  /// The width between the two matrices of a layer.
  public let intermediateSize: Int
  /// The number of layers.
  public let layers: Int
  /// The attention heads of each layer.
  public let heads: Int
  /// The longest sequence of tokens.
  public let maximumLength: Int
  /// The activation between the two matrices of a layer.
  public let activation: Activation
  /// Added to the variance in every normalisation.
  public let normEpsilon: Float
  /// A factor on the initial weights' standard deviations.
  public let initializerFactor: Float

  /// Reads a config.json.
  ///
  /// - Parameter file: the file's name, for error messages.
  public init(json: Data, file: String) throws(ConfigurationError) {
    var reader = try ConfigurationReader(json, file: file)
    vocabularySize = try reader.integer("vocab_size", default: 49408, in: 1...(1 << 24))
    hiddenSize = try reader.integer("hidden_size", default: 512)
    intermediateSize = try reader.integer("intermediate_size", default: 2048)
    layers = try reader.integer("num_hidden_layers", default: 12, in: ConfigurationReader.depths)
    heads = try reader.integer("num_attention_heads", default: 8)
    maximumLength = try reader.integer("max_position_embeddings", default: 77)
    activation = try reader.choice("hidden_act", default: .quickGELU)
    normEpsilon = Float(try reader.positive("layer_norm_eps", default: 1e-5))
    initializerFactor = Float(try reader.number("initializer_factor", default: 1))
    try reader.only("model_type", "clip_text_model")
    try reader.only("architectures", .null, .array(["CLIPTextModel"]))
    for option in ["attention_dropout", "dropout"] { try reader.only(option, 0) }
    for option in ["return_dict", "use_return_dict"] { try reader.only(option, true) }
    for option in ["output_attentions", "output_hidden_states", "torchscript", "use_bfloat16"] {
      try reader.only(option, false)
    }
    // The prompt's own tokens say where it ends, files say how their numbers are stored, and nothing is projected.
    reader.ignore(
      "bos_token_id", "eos_token_id", "pad_token_id", "dtype", "torch_dtype", "initializer_range", "projection_dim",
      "transformers_version")
    try reader.finish()
    guard hiddenSize.isMultiple(of: heads) else {
      throw .inconsistent(
        file: file, reason: "hidden_size \(hiddenSize) is not a multiple of num_attention_heads \(heads)")
    }
  }
}
