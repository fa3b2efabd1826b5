/// Transformer layers over the pixels of a picture, diffusers' `Transformer2DModel`.
struct SpatialTransformer: Sendable {
  private let norm: GroupNorm
  private let input, output: Projection
  private let blocks: [TransformerBlock]

  /// The normalisation's own constant, whatever the UNet's `norm_eps`.
  private static let epsilon: Float = 1e-6

  init(
    _ scope: Scope, _ channels: Int, contextChannels: Int, heads: Int, layers: Int, groups: Int, linear: Bool
  ) throws {
    norm = try GroupNorm(scope["norm"], channels, groups: groups, epsilon: Self.epsilon)
    input = try Projection(scope["proj_in"], channels, linear: linear)
    blocks = try (0..<layers).map {
      try TransformerBlock(
        scope["transformer_blocks"][$0], channels, contextChannels: contextChannels, heads: heads)
    }
    output = try Projection(scope["proj_out"], channels, linear: linear)
  }

  /// [batch, height, width, channels], attending to `context` [batch, tokens, contextChannels].
  func callAsFunction(_ x: Variable, context: Variable) -> Variable {
    let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    var h = input(norm(x)).reshaped([batch, height * width, channels])
    for block in blocks { h = block(h, context: context) }
    return x + output(h.reshaped([batch, height, width, channels]))
  }
}

/// A matrix applied to every pixel: Stable Diffusion 2 keeps it as such, Stable Diffusion 1 as a 1x1 convolution.
private enum Projection: Sendable {
  case linear(Linear)
  case convolution(Convolution)

  init(_ scope: Scope, _ channels: Int, linear: Bool) throws {
    self =
      linear
      ? .linear(try Linear(scope, channels, channels))
      : .convolution(try Convolution(scope, channels, channels, kernel: 1))
  }

  /// [batch, height, width, channels].
  func callAsFunction(_ x: Variable) -> Variable {
    switch self {
    case .linear(let linear): linear(x)
    case .convolution(let convolution): convolution(x)
    }
  }
}
