/// What every layer of the UNet is told besides the picture.
struct UNetConditioning {
  /// The timestep's embedding after its activation, [batch, timeChannels].
  let time: Variable
  /// The text states, [batch, tokens, contextChannels].
  let context: Variable
  /// Whether layers recompute their activations in the backward pass instead of keeping them.
  let checkpointing: Bool
}

/// What all levels of a UNet have in common, and what this one has of its own.
struct UNetLevel {
  let channels: Int
  let layers: Int
  let heads: Int
  let transformerLayers: Int
  let contextChannels: Int
  let timeChannels: Int
  let groups: Int
  let epsilon: Float
  let usesLinearProjection: Bool

  /// The level of index `level`, counted from the largest picture.
  init(_ configuration: UNetConfiguration, _ level: Int) {
    channels = configuration.blockChannels[level]
    layers = configuration.layersPerBlock[level]
    heads = configuration.attentionHeads[level]
    transformerLayers = configuration.transformerLayersPerBlock[level]
    contextChannels = configuration.crossAttentionWidth[level]
    timeChannels = UNet2DConditionModel.timeChannels(configuration)
    groups = configuration.normGroups
    epsilon = configuration.normEpsilon
    usesLinearProjection = configuration.usesLinearProjection
  }

  /// A residual layer of this level.
  func resnet(_ scope: Scope, from input: Int) throws -> ResnetBlock {
    try ResnetBlock(
      scope, input, channels, timeChannels: timeChannels, groups: groups, epsilon: epsilon)
  }

  /// A transformer of this level.
  func transformer(_ scope: Scope) throws -> SpatialTransformer {
    try SpatialTransformer(
      scope, channels, contextChannels: contextChannels, heads: heads, layers: transformerLayers, groups: groups,
      linear: usesLinearProjection)
  }
}

/// A residual layer and, at levels that attend to the text, a transformer: the unit of gradient checkpointing.
struct UNetLayer: Sendable {
  private let resnet: ResnetBlock
  private let transformer: SpatialTransformer?

  /// Layer `index` of the block under `scope`.
  init(_ scope: Scope, _ index: Int, from input: Int, _ level: UNetLevel, attends: Bool) throws {
    resnet = try level.resnet(scope["resnets"][index], from: input)
    transformer = attends ? try level.transformer(scope["attentions"][index]) : nil
  }

  /// [batch, height, width, input] → [batch, height, width, channels].
  ///
  /// - Parameter skip: joined to `x` along the channels, on the way up.
  func callAsFunction(_ x: Variable, skip: Variable? = nil, _ conditioning: UNetConditioning) -> Variable {
    let (time, context) = (conditioning.time, conditioning.context)
    guard conditioning.checkpointing else { return run(x, skip, time, context) }
    return checkpoint([x, time, context] + (skip.map { [$0] } ?? [])) { inputs in
      run(inputs[0], inputs.count > 3 ? inputs[3] : nil, inputs[1], inputs[2])
    }
  }

  private func run(_ x: Variable, _ skip: Variable?, _ time: Variable, _ context: Variable) -> Variable {
    let h = resnet(skip.map { x.concatenated(with: $0, axis: -1) } ?? x, time: time)
    return transformer?(h, context: context) ?? h
  }
}
