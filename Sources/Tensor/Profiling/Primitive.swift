/// The computing requirements of `Backend`; the raw values are the methods' names.
public enum Primitive: String, Sendable, CaseIterable {
  case fill, cast, unary, binary, affine
  case transpose, copyBlocks, upsampleNearest, upsampleNearestBackward
  case sum, meanSquaredError, meanSquaredErrorBackward
  case matrixProduct
  case convolution, convolutionBackwardInput, convolutionBackwardWeight
  case groupNorm, groupNormBackward, layerNorm, layerNormBackward
  case attention, attentionBackward
  case geglu, gegluBackward, gather, gatherBackward
  case uniform, normal
  case sumOfSquares, clippingFactor, countStep, adamW, adamWQuantized, updateScale

  /// Whether a device may ask for tensors that start at multiples of 16 bytes, as libraries of matrix products do.
  /// The other primitives take any address that suits the elements.
  public var mayRequireAlignment: Bool {
    switch self {
    case .matrixProduct, .convolution, .convolutionBackwardInput, .convolutionBackwardWeight, .groupNorm,
      .groupNormBackward, .layerNorm, .layerNormBackward, .attention, .attentionBackward, .geglu, .gegluBackward,
      .adamWQuantized:
      true
    default: false
    }
  }
}
