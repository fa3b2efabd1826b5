import CPUKernels

extension CPUBackend {
  /// Normalises rows of the last axis.
  public func layerNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor
  ) {
    let name: StaticString = "layerNorm"
    let (rows, width) = (statistics.count / 2, x.shape[-1])
    let (x, gamma, beta) = (x.host(name), gamma.host(name), beta.host(name))
    let (out, statistics) = (out.host(name), statistics.host(name))
    forEachChunk(rows, of: CPUBackend.rowsPerChunk(width)) { range in
      let offset = range.lowerBound * width
      kernels.layerNorm(
        x + offset, rows: range.count, width: width, gamma: gamma, beta: beta, epsilon: epsilon, into: out + offset,
        statistics: statistics + 2 * range.lowerBound)
    }
  }

  /// The derivatives of `layerNorm`, each computed only where it is wanted; the formulas are those of
  /// `groupNormBackward` with a row in place of a group.
  public func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    let name: StaticString = "layerNormBackward"
    let (rows, width) = (statistics.count / 2, x.shape[-1])
    let (x, gradient, gamma, statistics) = (x.host(name), gradient.host(name), gamma.host(name), statistics.host(name))
    let target = dx?.host(name)
    let rowsPerPart = min(CPUBackend.rowsPerChunk(width), 128)
    let parts = (rows + rowsPerPart - 1) / rowsPerPart
    let isSummed = dgamma != nil || dbeta != nil
    withWorkspace(isSummed ? 2 * parts * width : 0) { sums in
      forEachChunk(rows, of: rowsPerPart) { range in
        let offset = range.lowerBound * width
        kernels.layerNormBackward(
          x + offset, gradient + offset, rows: range.count, width: width, gamma: gamma,
          statistics: statistics + 2 * range.lowerBound, dx: target.map { $0 + offset }, dx?.write ?? .overwrite,
          sums: isSummed ? sums + 2 * (range.lowerBound / rowsPerPart) * width : nil)
      }
      if let dbeta {
        kernels.sumRows(
          sums, rows: parts, stride: 2 * width, width: width, scale: 1, into: dbeta.host(name), dbeta.write)
      }
      if let dgamma {
        kernels.sumRows(
          sums + width, rows: parts, stride: 2 * width, width: width, scale: 1, into: dgamma.host(name), dgamma.write)
      }
    }
  }
}
