import Foundation

/// The options of diffusers' `UNet2DConditionModel` that Stable Diffusion 1 and 2 set.
///
/// All other options must have their defaults.
public struct UNetConfiguration: Sendable, Equatable {
  /// The kinds of block on the way down.
  public enum DownBlockType: String, Sendable, CaseIterable {
    /// Residual layers alone.
    case plain = "DownBlock2D"
    /// Residual layers, each followed by a transformer that attends to the text.
    case crossAttention = "CrossAttnDownBlock2D"
  }

  /// The kinds of block on the way up.
  public enum UpBlockType: String, Sendable, CaseIterable {
    /// Residual layers alone.
    case plain = "UpBlock2D"
    /// Residual layers, each followed by a transformer that attends to the text.
    case crossAttention = "CrossAttnUpBlock2D"
  }

  /// The height of the latents that the model was trained on, if the file says so.
  public let sampleHeight: Int?
  /// The width of the latents that the model was trained on, if the file says so.
  public let sampleWidth: Int?
  /// The channels of a latent.
  public let inputChannels: Int
  /// The channels of the prediction.
  public let outputChannels: Int
  /// The blocks on the way down, widest picture first.
  public let downBlockTypes: [DownBlockType]
  /// The blocks on the way up, smallest picture first.
  public let upBlockTypes: [UpBlockType]
  /// The channels of each level, widest picture first.
  public let blockChannels: [Int]
  /// The residual layers of each down block; an up block has one more.
  public let layersPerBlock: [Int]
  /// The transformer layers that follow each residual layer, for each level.
  public let transformerLayersPerBlock: [Int]
  /// The attention heads of each level. diffusers calls this `attention_head_dim`, though it is a number of heads.
  public let attentionHeads: [Int]
  /// The width of the text states that each level attends to.
  public let crossAttentionWidth: [Int]
  /// The zeros around a picture that is halved; 0 means one row below and one column to the right.
  public let downsamplePadding: Int
  /// The groups of every group normalisation.
  public let normGroups: Int
  /// Added to the variance in the residual layers' normalisations.
  public let normEpsilon: Float
  /// Whether a transformer's first and last layers are matrices rather than 1x1 convolutions.
  public let usesLinearProjection: Bool
  /// Whether attention scores must be computed in single precision whatever the activations have.
  public let upcastsAttention: Bool
  /// Whether the cosines of a timestep come before its sines.
  public let cosineFirst: Bool
  /// Subtracted from the number of frequencies in the exponent of the timestep's sinusoids.
  public let frequencyShift: Double

  /// Ten times the layers of the largest models.
  private static let layerLimit = 2048

  /// Reads a config.json.
  ///
  /// - Parameter file: the file's name, for error messages.
  public init(json: Data, file: String) throws(ConfigurationError) {
    var reader = try ConfigurationReader(json, file: file)
    let size = try reader.size("sample_size", default: nil)
    (sampleHeight, sampleWidth) = (size?.height, size?.width)
    inputChannels = try reader.integer("in_channels", default: 4)
    outputChannels = try reader.integer("out_channels", default: 4)
    downBlockTypes = try reader.choices(
      "down_block_types", default: [.crossAttention, .crossAttention, .crossAttention, .plain])
    upBlockTypes = try reader.choices(
      "up_block_types", default: [.plain, .crossAttention, .crossAttention, .crossAttention])
    blockChannels = try reader.integers("block_out_channels", default: [320, 640, 1280, 1280])
    let levels = blockChannels.count
    layersPerBlock = try reader.integersPerBlock(
      "layers_per_block", default: 2, count: levels, in: ConfigurationReader.depths)
    transformerLayersPerBlock = try reader.integersPerBlock(
      "transformer_layers_per_block", default: 1, count: levels, in: ConfigurationReader.depths)
    attentionHeads = try reader.integersPerBlock("attention_head_dim", default: 8, count: levels)
    crossAttentionWidth = try reader.integersPerBlock("cross_attention_dim", default: 1280, count: levels)
    downsamplePadding = try reader.integer("downsample_padding", default: 1, in: 0...1)
    normGroups = try reader.integer("norm_num_groups", default: 32)
    normEpsilon = Float(try reader.positive("norm_eps", default: 1e-5))
    usesLinearProjection = try reader.bool("use_linear_projection", default: false)
    upcastsAttention = try reader.bool("upcast_attention", default: false)
    cosineFirst = try reader.bool("flip_sin_to_cos", default: true)
    frequencyShift = try reader.number("freq_shift", default: 0)
    try Self.refuseOtherOptions(&reader, levels: levels)
    try check(file)
  }

  /// Lets through only the defaults of options that Stable Diffusion 1 and 2 leave alone.
  private static func refuseOtherOptions(
    _ reader: inout ConfigurationReader, levels: Int
  ) throws(ConfigurationError) {
    try reader.only("act_fn", "silu", "swish")
    try reader.only("mid_block_type", "UNetMidBlock2DCrossAttn")
    try reader.only("time_embedding_type", "positional")
    try reader.only("resnet_time_scale_shift", "default")
    try reader.only("attention_type", "default")
    for option in [
      "center_input_sample", "dual_cross_attention", "resnet_skip_time_act", "class_embeddings_concat",
    ] { try reader.only(option, false) }
    try reader.only("only_cross_attention", false, .array(Array(repeating: false, count: levels)))
    try reader.only("mid_block_only_cross_attention", .null, false)
    for option in [
      "num_attention_heads", "reverse_transformer_layers_per_block", "encoder_hid_dim", "encoder_hid_dim_type",
      "class_embed_type", "num_class_embeds", "addition_embed_type", "addition_time_embed_dim", "time_embedding_dim",
      "time_embedding_act_fn", "timestep_post_act", "time_cond_proj_dim", "projection_class_embeddings_input_dim",
      "cross_attention_norm",
    ] { try reader.only(option, .null) }
    for option in ["mid_block_scale_factor", "resnet_out_scale_factor"] { try reader.only(option, 1) }
    for option in ["conv_in_kernel", "conv_out_kernel"] { try reader.only(option, 3) }
    try reader.only("dropout", 0)
    reader.ignore("addition_embed_type_num_heads")  // Counts for nothing while addition_embed_type is null.
    try reader.finish()
  }

  private func check(_ file: String) throws(ConfigurationError) {
    func contradiction(_ reason: String) -> ConfigurationError { .inconsistent(file: file, reason: reason) }
    let levels = blockChannels.count
    for (option, count) in [("down_block_types", downBlockTypes.count), ("up_block_types", upBlockTypes.count)]
    where count != levels {
      throw contradiction("\(option) has \(count) entries, block_out_channels \(levels)")
    }
    let layers = zip(layersPerBlock, transformerLayersPerBlock).reduce(0) { $0 + (2 * $1.0 + 1) * (1 + $1.1) }
    guard layers <= Self.layerLimit else {
      throw contradiction("it has \(layers) layers, and more than \(Self.layerLimit) make no model")
    }
    for channels in blockChannels where !channels.isMultiple(of: normGroups) {
      throw contradiction("block_out_channels \(channels) is not a multiple of norm_num_groups \(normGroups)")
    }
    for (level, channels) in blockChannels.enumerated() {
      let attends =
        downBlockTypes[level] == .crossAttention || upBlockTypes[levels - 1 - level] == .crossAttention
        || level == levels - 1
      guard !attends || channels.isMultiple(of: attentionHeads[level]) else {
        throw contradiction(
          "block_out_channels \(channels) is not a multiple of attention_head_dim \(attentionHeads[level])")
      }
    }
    guard Double(blockChannels[0] / 2) > frequencyShift else {
      throw contradiction("freq_shift \(frequencyShift) leaves no frequencies of \(blockChannels[0] / 2)")
    }
  }
}
