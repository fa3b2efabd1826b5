/// Normalisation of groups of channels and of rows. Rows lie one after the other: pixels of [channels] numbers.
///
/// Sums are taken over the rows of one call in an order that their number fixes. Whoever shares rows out by their shape
/// alone gets the same bytes on any number of threads.
public protocol NormalizationKernels: SendableMetatype {
  /// The mean and the sum of the squared deviations from it, of each group of channels in some rows.
  ///
  /// They are combined from those of a few rows at a time (T. F. Chan, G. H. Golub, R. J. LeVeque, 1979), so that a mean
  /// far from zero costs no accuracy.
  ///
  /// - Parameter moments: [groups, 2].
  static func groupMoments(
    _ x: ConstantFloats, rows: Int, channels: Int, groups: Int, into moments: UnsafeMutablePointer<Double>)

  /// (x - mean) · scale · gamma + beta, and SiLU of it where that is asked for.
  static func groupNorm(
    _ x: ConstantFloats, rows: Int, channels: Int, _ parameters: GroupNormParameters, silu: Bool, into out: Floats)

  /// Σ d and Σ d x̂ of each channel over some rows, [2, channels], where d is the derivative by what comes before SiLU
  /// and x̂ the normalised input.
  ///
  /// - Parameter siluDerivative: gets d where SiLU follows the normalisation; elsewhere d is the gradient.
  static func groupNormSums(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, channels: Int, _ parameters: GroupNormParameters,
    siluDerivative: Floats?, into sums: Floats)

  /// dx = factor · d + shift + slope · (x - mean), with a number of each for every channel.
  ///
  /// - Parameter derivative: d; may be where dx goes.
  static func groupNormDerivative(
    _ x: ConstantFloats, _ derivative: ConstantFloats, rows: Int, channels: Int, mean: ConstantFloats,
    factor: ConstantFloats, shift: ConstantFloats, slope: ConstantFloats, into dx: Floats, _ write: Write)

  /// Normalises each row and writes [mean, 1/σ] of it to `statistics` [rows, 2].
  static func layerNorm(
    _ x: ConstantFloats, rows: Int, width: Int, gamma: ConstantFloats, beta: ConstantFloats, epsilon: Float,
    into out: Floats, statistics: Floats)

  /// The derivatives of a layer normalisation of some rows.
  ///
  /// - Parameters:
  ///   - dx: gets the derivative by x, where it is wanted.
  ///   - sums: gets Σ g and Σ g x̂ of each column, [2, width], where they are wanted.
  static func layerNormBackward(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, width: Int, gamma: ConstantFloats,
    statistics: ConstantFloats, dx: Floats?, _ write: Write, sums: Floats?)
}

/// What a group normalisation knows of every channel of a picture, [channels] each.
public struct GroupNormParameters {
  /// The mean of the channel's group.
  public let mean: ConstantFloats
  /// 1/σ of the channel's group.
  public let scale: ConstantFloats
  /// What the normalised numbers are multiplied by.
  public let gamma: ConstantFloats
  /// What is added to them.
  public let beta: ConstantFloats

  /// Parameters at these addresses.
  public init(mean: ConstantFloats, scale: ConstantFloats, gamma: ConstantFloats, beta: ConstantFloats) {
    self.mean = mean
    self.scale = scale
    self.gamma = gamma
    self.beta = beta
  }
}
