/// The network that predicts the noise in a latent, given a timestep and a text (Rombach et al., 2022).
public struct UNet2DConditionModel: Sendable {
  /// The options it was built from.
  public let configuration: UNetConfiguration
  /// One more than the largest timestep it can be asked about.
  public let timestepCount: Int
  /// The type of its activations.
  public let computeType: DType

  private let convIn, convOut: Convolution
  private let timeEmbedding: TimeEmbedding
  private let downBlocks: [DownBlock]
  private let middle: MiddleBlock
  private let upBlocks: [UpBlock]
  private let normOut: GroupNorm

  /// Builds the network with its parameters from `scope`.
  ///
  /// - Parameter timestepCount: the number of timesteps of the noise schedule.
  public init(
    _ scope: Scope, _ configuration: UNetConfiguration, timestepCount: Int = SchedulerConfig.standardTimestepCount
  ) throws {
    self.configuration = configuration
    self.timestepCount = timestepCount
    computeType = scope.computeType
    let channels = configuration.blockChannels
    let levels = channels.indices.map { UNetLevel(configuration, $0) }
    convIn = try Convolution(scope["conv_in"], configuration.inputChannels, channels[0])
    timeEmbedding = try TimeEmbedding(
      scope["time_embedding"], channels[0], width: Self.timeChannels(configuration), timesteps: timestepCount,
      cosineFirst: configuration.cosineFirst, frequencyShift: configuration.frequencyShift)
    downBlocks = try levels.indices.map { index in
      try DownBlock(
        scope["down_blocks"][index], from: channels[max(index - 1, 0)], levels[index],
        attends: configuration.downBlockTypes[index] == .crossAttention,
        padding: index == levels.count - 1 ? nil : configuration.downsamplePadding)
    }
    middle = try MiddleBlock(scope["mid_block"], levels[levels.count - 1])
    upBlocks = try Self.upBlocks(scope["up_blocks"], configuration, levels)
    normOut = try GroupNorm(
      scope["conv_norm_out"], channels[0], groups: configuration.normGroups, epsilon: configuration.normEpsilon)
    convOut = try Convolution(scope["conv_out"], channels[0], configuration.outputChannels)
  }

  /// The way up takes the skip connections of the way down in reverse: first the level's own layers, last what came
  /// into the level.
  private static func upBlocks(
    _ scope: Scope, _ configuration: UNetConfiguration, _ levels: [UNetLevel]
  ) throws -> [UpBlock] {
    try levels.indices.map { index in
      let level = levels.count - 1 - index
      let own = levels[level]
      let above = levels[max(level - 1, 0)].channels
      let below = levels[min(level + 1, levels.count - 1)].channels
      return try UpBlock(
        scope[index], from: below, skips: Array(repeating: own.channels, count: own.layers) + [above], own,
        attends: configuration.upBlockTypes[index] == .crossAttention, enlarges: level > 0)
    }
  }

  /// The width of the timestep's embedding.
  static func timeChannels(_ configuration: UNetConfiguration) -> Int { 4 * configuration.blockChannels[0] }

  /// Predicts the noise, or whatever the model was trained to predict.
  ///
  /// Inputs may have any floating-point type; the prediction has that of `sample`, so that losses and samplers can work
  /// in Float32 whatever the network computes in.
  ///
  /// - Parameters:
  ///   - sample: noisy latents, [batch, height, width, inputChannels]; any height and width.
  ///   - timesteps: Int32, [batch].
  ///   - encoderHiddenStates: the text encoder's states, [batch, tokens, crossAttentionWidth].
  ///   - checkpointing: whether each layer's activations are recomputed in the backward pass instead of kept, which
  ///     costs a third more time and saves most of the memory. The numbers stay the same.
  /// - Returns: [batch, height, width, outputChannels].
  public func callAsFunction(
    _ sample: Variable, timesteps: Tensor, encoderHiddenStates: Variable, checkpointing: Bool = false
  ) -> Variable {
    require(
      timesteps.shape == [sample.shape[0]],
      "UNet2DConditionModel: timesteps \(timesteps.shape) do not go with samples \(sample.shape)")
    let conditioning = UNetConditioning(
      time: timeEmbedding(timesteps).silu(), context: encoderHiddenStates.cast(to: computeType),
      checkpointing: checkpointing)
    var h = convIn(sample.cast(to: computeType))
    var skips = [h]
    for block in downBlocks { h = block(h, skips: &skips, conditioning) }
    h = middle(h, conditioning)
    for block in upBlocks { h = block(h, skips: &skips, conditioning) }
    return convOut(normOut(h, silu: true)).cast(to: sample.value.dtype)
  }
}
