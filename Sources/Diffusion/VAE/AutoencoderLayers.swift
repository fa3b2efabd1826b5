/// The constant in all normalisations of the autoencoder.
private let epsilon: Float = 1e-6

/// Two residual layers, with attention of one head between them, at the smallest picture.
private struct AutoencoderMiddle: Sendable {
  private let first, last: ResnetBlock
  private let attention: AttentionBlock?

  init(_ scope: Scope, _ channels: Int, groups: Int, attends: Bool) throws {
    first = try ResnetBlock(scope["resnets"][0], channels, channels, groups: groups, epsilon: epsilon)
    attention = attends ? try AttentionBlock(scope["attentions"][0], channels, groups: groups) : nil
    last = try ResnetBlock(scope["resnets"][1], channels, channels, groups: groups, epsilon: epsilon)
  }

  func callAsFunction(_ x: Variable) -> Variable {
    let h = first(x)
    return last(attention?(h) ?? h)
  }
}

/// Attention of every pixel to every other, added to what was.
private struct AttentionBlock: Sendable {
  private let norm: GroupNorm
  private let attention: MultiHeadAttention

  init(_ scope: Scope, _ channels: Int, groups: Int) throws {
    norm = try GroupNorm(scope["group_norm"], channels, groups: groups, epsilon: epsilon)
    attention = try MultiHeadAttention(scope, channels, heads: 1, bias: true)
  }

  /// [batch, height, width, channels].
  func callAsFunction(_ x: Variable) -> Variable {
    let pixels = norm(x).reshaped([x.shape[0], x.shape[1] * x.shape[2], x.shape[3]])
    return x + attention(pixels, context: pixels).reshaped(x.shape)
  }
}

/// Pictures to the parameters of a distribution of latents.
struct AutoencoderEncoder: Sendable {
  private let convIn, convOut: Convolution
  private let blocks: [(layers: [ResnetBlock], downsample: Downsample?)]
  private let middle: AutoencoderMiddle
  private let norm: GroupNorm

  init(_ scope: Scope, _ configuration: AutoencoderConfiguration) throws {
    let (channels, groups) = (configuration.blockChannels, configuration.normGroups)
    let deepest = channels[channels.count - 1]
    convIn = try Convolution(scope["conv_in"], configuration.inputChannels, channels[0])
    blocks = try channels.indices.map { level in
      let block = scope["down_blocks"][level]
      let layers = try (0..<configuration.layersPerBlock).map {
        try ResnetBlock(
          block["resnets"][$0], $0 == 0 ? channels[max(level - 1, 0)] : channels[level], channels[level],
          groups: groups, epsilon: epsilon)
      }
      let isLast = level == channels.count - 1
      return (layers, isLast ? nil : try Downsample(block["downsamplers"][0], channels[level], padding: 0))
    }
    middle = try AutoencoderMiddle(
      scope["mid_block"], deepest, groups: groups, attends: configuration.attendsInMiddle)
    norm = try GroupNorm(scope["conv_norm_out"], deepest, groups: groups, epsilon: epsilon)
    convOut = try Convolution(scope["conv_out"], deepest, 2 * configuration.latentChannels)
  }

  /// [batch, height, width, inputChannels] → [batch, height / downFactor, width / downFactor, 2 · latentChannels].
  func callAsFunction(_ pixels: Variable) -> Variable {
    var h = convIn(pixels)
    for block in blocks {
      for layer in block.layers { h = layer(h) }
      h = block.downsample?(h) ?? h
    }
    return convOut(norm(middle(h), silu: true))
  }
}

/// Latents to pictures.
struct AutoencoderDecoder: Sendable {
  private let convIn, convOut: Convolution
  private let middle: AutoencoderMiddle
  private let blocks: [(layers: [ResnetBlock], upsample: Upsample?)]
  private let norm: GroupNorm

  init(_ scope: Scope, _ configuration: AutoencoderConfiguration) throws {
    let groups = configuration.normGroups
    let channels = Array(configuration.blockChannels.reversed())
    let shallowest = channels[channels.count - 1]
    convIn = try Convolution(scope["conv_in"], configuration.latentChannels, channels[0])
    middle = try AutoencoderMiddle(
      scope["mid_block"], channels[0], groups: groups, attends: configuration.attendsInMiddle)
    blocks = try channels.indices.map { index in
      let block = scope["up_blocks"][index]
      let layers = try (0...configuration.layersPerBlock).map {
        try ResnetBlock(
          block["resnets"][$0], $0 == 0 ? channels[max(index - 1, 0)] : channels[index], channels[index],
          groups: groups, epsilon: epsilon)
      }
      let isLast = index == channels.count - 1
      return (layers, isLast ? nil : try Upsample(block["upsamplers"][0], channels[index]))
    }
    norm = try GroupNorm(scope["conv_norm_out"], shallowest, groups: groups, epsilon: epsilon)
    convOut = try Convolution(scope["conv_out"], shallowest, configuration.outputChannels)
  }

  /// [batch, height, width, latentChannels] → [batch, height · downFactor, width · downFactor, outputChannels].
  func callAsFunction(_ latents: Variable) -> Variable {
    var h = middle(convIn(latents))
    for block in blocks {
      for layer in block.layers { h = layer(h) }
      h = block.upsample?(h) ?? h
    }
    return convOut(norm(h, silu: true))
  }
}
