/// The autoencoder between pictures and latents (Kingma and Welling, 2014; Rombach et al., 2022).
///
/// Its inputs may have any floating-point type, and its outputs are Float32 whatever it computes in.
public struct AutoencoderKL: Sendable {
  /// The options it was built from.
  public let configuration: AutoencoderConfiguration

  private let computeType: DType
  private let encoder: AutoencoderEncoder
  private let decoder: AutoencoderDecoder
  private let quantConvolution, postQuantConvolution: Convolution?

  /// Builds the autoencoder with its parameters from `scope`.
  public init(_ scope: Scope, _ configuration: AutoencoderConfiguration) throws {
    self.configuration = configuration
    computeType = scope.computeType
    let channels = configuration.latentChannels
    encoder = try AutoencoderEncoder(scope["encoder"], configuration)
    decoder = try AutoencoderDecoder(scope["decoder"], configuration)
    quantConvolution =
      configuration.usesQuantConvolution
      ? try Convolution(scope["quant_conv"], 2 * channels, 2 * channels, kernel: 1) : nil
    postQuantConvolution =
      configuration.usesPostQuantConvolution
      ? try Convolution(scope["post_quant_conv"], channels, channels, kernel: 1) : nil
  }

  /// The means and the logarithms of the variances of a picture's latents, side by side.
  ///
  /// - Parameter pixels: -1...1, [batch, height, width, inputChannels].
  /// - Returns: Float32, [batch, height / downFactor, width / downFactor, 2 · latentChannels].
  public func moments(_ pixels: Variable) -> Variable {
    let moments = encoder(pixels.cast(to: computeType))
    return (quantConvolution?(moments) ?? moments).cast(to: .float32)
  }

  /// The distribution of a picture's latents. Nothing is recorded: an autoencoder is not trained here.
  ///
  /// - Parameter pixels: -1...1, [batch, height, width, inputChannels].
  public func encode(_ pixels: Tensor) -> LatentDistribution {
    LatentDistribution(moments: withoutRecording { moments(Variable(pixels)).value })
  }

  /// Pictures of latents.
  ///
  /// - Parameter latents: as the encoder gives them, without the scaling factor, [batch, height, width, latentChannels].
  /// - Returns: Float32, about -1...1, [batch, height · downFactor, width · downFactor, outputChannels].
  public func decode(_ latents: Variable) -> Variable {
    let latents = latents.cast(to: computeType)
    return decoder(postQuantConvolution?(latents) ?? latents).cast(to: .float32)
  }
}

/// A normal distribution for each number of a latent.
public struct LatentDistribution: Sendable {
  /// The means, [batch, height, width, latentChannels].
  public let mean: Tensor
  /// The logarithms of the variances, [batch, height, width, latentChannels].
  public let logVariance: Tensor

  /// What logarithms are clamped to, as in diffusers: standard deviations between 3e-7 and 22026.
  private static let range: ClosedRange<Float> = -30...20

  /// Splits [batch, height, width, 2 · latentChannels] into means and logarithms of variances.
  init(moments: Tensor) {
    let channels = moments.shape[3] / 2
    mean = moments.sliced(-1, 0..<channels)
    logVariance = moments.sliced(-1, channels..<2 * channels).clamped(to: Self.range)
  }

  /// The standard deviations, shaped like `mean`.
  public var standardDeviation: Tensor { logVariance.affine(scale: 0.5).unary(.exp) }
}
