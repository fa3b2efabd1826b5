extension CUDABackend {
  /// Normalises groups of channels of each picture; see `GroupNormalization`.
  ///
  /// Large pictures take two passes: the moments of chunks of pixels, then the normalisation, which begins by combining
  /// them (T. F. Chan, G. H. Golub, R. J. LeVeque, 1979). Small ones take one.
  public func groupNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, _ spec: GroupNormalization, into out: Tensor, statistics: Tensor
  ) {
    let tensors = [x, gamma, beta, out]
    let blocks = GroupNormBlocks(
      x.shape, spec, dtype: tensors.commonType("groupNorm"), widths: [x.vectorWidth, 4],
      isAligned: tensors.allSatisfy(\.isVectorAligned), wholeLimit: 24 << 10)
    let (area, channels) = (KernelArgument.int32(blocks.area), KernelArgument.int32(blocks.channels))
    let channelsPerGroup = KernelArgument.int32(blocks.channelsPerGroup)
    let silu = KernelArgument.int32(spec.silu ? 1 : 0)
    if blocks.isWhole {
      launch(
        blocks.kernel(.groupNorm, "groupNormWhole"), grid: blocks.grid, threads: blocks.threads,
        .tensor(x), .tensor(gamma), .tensor(beta), .tensor(out), .tensor(statistics), area, channels,
        channelsPerGroup, .float(spec.epsilon), silu)
      return
    }
    let partial = scratchPairs(blocks.batch * spec.groups * blocks.chunks)
    let pixelsPerChunk = KernelArgument.int32(blocks.pixelsPerChunk)
    launch(
      blocks.kernel(.groupNorm, "groupNormMoments"), grid: blocks.grid, threads: blocks.threads,
      .tensor(x), .tensor(partial), area, channels, channelsPerGroup, pixelsPerChunk)
    launch(
      blocks.kernel(.groupNorm, "groupNormApply"), grid: blocks.grid, threads: blocks.threads,
      .tensor(x), .tensor(gamma), .tensor(beta), .tensor(partial), .tensor(out), .tensor(statistics), area, channels,
      channelsPerGroup, pixelsPerChunk, .float(spec.epsilon), silu)
  }

  /// The derivatives of `groupNorm`, each computed only where it is wanted.
  ///
  /// Large pictures take two passes, sums over chunks of pixels and then dx; small ones take one. The derivatives by
  /// gamma and beta take one more, over the sums.
  public func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    let tensors = [x, gradient, gamma, beta] + (dx.map { [$0.tensor] } ?? [])
    let blocks = GroupNormBlocks(
      x.shape, spec, dtype: tensors.commonType("groupNormBackward"), widths: [4],
      isAligned: tensors.allSatisfy(\.isVectorAligned), wholeLimit: 12 << 10)
    let wantsSums = dgamma != nil || dbeta != nil
    let rows = blocks.batch * blocks.chunks
    let channelSums = wantsSums ? scratchPairs(rows * blocks.channels) : nil
    let (area, channels) = (KernelArgument.int32(blocks.area), KernelArgument.int32(blocks.channels))
    let channelsPerGroup = KernelArgument.int32(blocks.channelsPerGroup)
    let silu = KernelArgument.int32(spec.silu ? 1 : 0)
    if blocks.isWhole {
      launch(
        blocks.kernel(.groupNormBackward, "groupNormBackwardWhole"), grid: blocks.grid,
        threads: blocks.threads, .tensor(x), .tensor(gradient), .tensor(gamma), .tensor(beta), .tensor(statistics),
        .optional(channelSums), .optional(dx?.tensor), .accumulate(dx), area, channels, channelsPerGroup, silu)
    } else {
      let groupSums = dx.map { _ in scratchPairs(blocks.batch * spec.groups * blocks.chunks) }
      let pixelsPerChunk = KernelArgument.int32(blocks.pixelsPerChunk)
      launch(
        blocks.kernel(.groupNormBackward, "groupNormBackwardSums"), grid: blocks.grid,
        threads: blocks.threads, .tensor(x), .tensor(gradient), .tensor(gamma), .tensor(beta), .tensor(statistics),
        .optional(channelSums), .optional(groupSums), area, channels, channelsPerGroup, pixelsPerChunk, silu)
      if let dx {
        launch(
          blocks.kernel(.groupNormBackward, "groupNormBackwardApply"), grid: blocks.grid,
          threads: blocks.threads, .tensor(x), .tensor(gradient), .tensor(gamma), .tensor(beta),
          .tensor(statistics), .optional(groupSums), .tensor(dx.tensor), .accumulate(dx), area, channels,
          channelsPerGroup, pixelsPerChunk, silu)
      }
    }
    if let channelSums {
      normalizationGradients(channelSums, rows: rows, channels: blocks.channels, dgamma: dgamma, dbeta: dbeta)
    }
  }
}
