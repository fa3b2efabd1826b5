extension CUDABackend {
  /// Normalises rows of the last axis.
  public func layerNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor
  ) {
    let (rows, channels) = (statistics.count / 2, x.shape[-1])
    let vectors = RowVectors(length: channels, [x, gamma, beta, out], "layerNorm")
    // A warp takes a row; few rows are spread over many blocks.
    let warps = min(max(rows / 256, 1), 8)
    launch(
      vectors.kernel(.layerNorm, "layerNorm"), grid: .covering(rows, perBlock: warps),
      threads: 32 * warps, .tensor(x), .tensor(gamma), .tensor(beta), .tensor(out), .tensor(statistics),
      .int32(rows), .int32(channels), .float(epsilon))
  }

  /// The derivatives of `layerNorm`, each computed only where it is wanted.
  ///
  /// One pass yields dx and sums over blocks of rows; the derivatives by gamma and beta take one more, over the sums.
  public func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    let (rows, channels) = (statistics.count / 2, x.shape[-1])
    let vectors = RowVectors(
      length: channels, [x, gradient, gamma] + (dx.map { [$0.tensor] } ?? []), "layerNormBackward")
    // Enough blocks to fill a card, but no more partial sums than are quickly read again.
    let rowsPerBlock = max(8, (rows + 255) / 256)
    let grid = KernelGrid.covering(rows, perBlock: rowsPerBlock)
    let wantsSums = dgamma != nil || dbeta != nil
    let sums = wantsSums ? scratchPairs(grid.x * channels) : nil
    launch(
      vectors.kernel(.layerNorm, "layerNormBackward"), grid: grid, threads: 32 * min(rowsPerBlock, 16),
      .tensor(x), .tensor(gradient), .tensor(gamma), .tensor(statistics), .optional(dx?.tensor), .accumulate(dx),
      .optional(sums), .int32(rows), .int32(channels), .int32(rowsPerBlock))
    if let sums { normalizationGradients(sums, rows: grid.x, channels: channels, dgamma: dgamma, dbeta: dbeta) }
  }
}
