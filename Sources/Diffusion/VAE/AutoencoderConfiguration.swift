import Foundation

/// The options of diffusers' `AutoencoderKL` that Stable Diffusion 1 and 2 set.
public struct AutoencoderConfiguration: Sendable, Equatable {
  private enum DownBlockType: String, CaseIterable { case plain = "DownEncoderBlock2D" }
  private enum UpBlockType: String, CaseIterable { case plain = "UpDecoderBlock2D" }

  /// The channels of a picture that is encoded.
  public let inputChannels: Int
  /// The channels of a picture that is decoded.
  public let outputChannels: Int
  /// The channels of a latent.
  public let latentChannels: Int
  /// The channels of each level, widest picture first.
  public let blockChannels: [Int]
  /// The residual layers of each level of the encoder; the decoder has one more.
  public let layersPerBlock: Int
  /// The groups of every group normalisation.
  public let normGroups: Int
  /// What latents are multiplied by before the UNet sees them, so that their variance is about 1.
  public let scalingFactor: Float
  /// Whether a 1x1 convolution follows the encoder.
  public let usesQuantConvolution: Bool
  /// Whether a 1x1 convolution comes before the decoder.
  public let usesPostQuantConvolution: Bool
  /// Whether the smallest level attends to itself.
  public let attendsInMiddle: Bool

  /// How many pixels a latent pixel stands for, in each direction.
  public var downFactor: Int { 1 << (blockChannels.count - 1) }

  /// Reads a config.json.
  ///
  /// - Parameter file: the file's name, for error messages.
  public init(json: Data, file: String) throws(ConfigurationError) {
    var reader = try ConfigurationReader(json, file: file)
    inputChannels = try reader.integer("in_channels", default: 3)
    outputChannels = try reader.integer("out_channels", default: 3)
    latentChannels = try reader.integer("latent_channels", default: 4)
    let downBlocks: [DownBlockType] = try reader.choices("down_block_types", default: [.plain])
    let upBlocks: [UpBlockType] = try reader.choices("up_block_types", default: [.plain])
    blockChannels = try reader.integers("block_out_channels", default: [64])
    layersPerBlock = try reader.integer("layers_per_block", default: 1, in: ConfigurationReader.depths)
    normGroups = try reader.integer("norm_num_groups", default: 32)
    scalingFactor = Float(try reader.positive("scaling_factor", default: 0.18215))
    usesQuantConvolution = try reader.bool("use_quant_conv", default: true)
    usesPostQuantConvolution = try reader.bool("use_post_quant_conv", default: true)
    attendsInMiddle = try reader.bool("mid_block_add_attention", default: true)
    try reader.only("act_fn", "silu", "swish")
    for option in ["shift_factor", "latents_mean", "latents_std"] { try reader.only(option, .null) }
    // The size of the training pictures changes nothing, and all computing is in single precision anyway.
    reader.ignore("sample_size", "force_upcast")
    try reader.finish()
    try check(file, downBlocks: downBlocks.count, upBlocks: upBlocks.count)
  }

  private func check(_ file: String, downBlocks: Int, upBlocks: Int) throws(ConfigurationError) {
    for (option, count) in [("down_block_types", downBlocks), ("up_block_types", upBlocks)]
    where count != blockChannels.count {
      throw .inconsistent(
        file: file, reason: "\(option) has \(count) entries, block_out_channels \(blockChannels.count)")
    }
    guard blockChannels.count <= 16 else {
      throw .inconsistent(file: file, reason: "no picture can be halved \(blockChannels.count - 1) times")
    }
    for channels in blockChannels where !channels.isMultiple(of: normGroups) {
      throw .inconsistent(
        file: file, reason: "block_out_channels \(channels) is not a multiple of norm_num_groups \(normGroups)")
    }
  }
}
