extension KernelSource {
  /// Every family of kernels.
  static let all: [KernelSource] =
    [fill, cast, map, zip]
    + [movement, upsampling, upsamplingBackward]
    + [rowSums, columnSums, squaredErrorBackward]
    + [groupNorm, groupNormBackward, layerNorm, normalizationGradients]
    + [geglu, gather, gatherBackward]
    + [random]
    + [adamW, adamWQuantized, stepNumbers]
    + [attentionSoftmax]
    + [flashAttentionForward, flashAttentionQueryGradient, flashAttentionKeyGradient, flashAttentionParts]
}
