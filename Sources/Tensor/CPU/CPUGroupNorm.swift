import CPUKernels

extension CPUBackend {
  /// Normalises groups of channels of each picture; see `GroupNormalization`.
  public func groupNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, _ spec: GroupNormalization, into out: Tensor, statistics: Tensor
  ) {
    let name: StaticString = "groupNorm"
    let pixels = GroupedPixels(x.shape, spec)
    let (x, gamma, beta, out) = (x.host(name), gamma.host(name), beta.host(name), out.host(name))
    let statistics = statistics.host(name)
    groupMoments(x, pixels, epsilon: spec.epsilon, into: statistics)
    withWorkspace(2 * pixels.batch * pixels.channels) { workspace in
      let moments = pixels.spread(statistics, into: workspace)
      forEachChunk(of: pixels) { chunk in
        kernels.groupNorm(
          x + chunk.offset, rows: chunk.rows, channels: pixels.channels,
          moments.parameters(of: chunk.picture, gamma: gamma, beta: beta), silu: spec.silu, into: out + chunk.offset)
      }
    }
  }

  /// The mean and 1/σ of every group, from those of every chunk of pixels.
  private func groupMoments(_ x: Floats, _ pixels: GroupedPixels, epsilon: Float, into statistics: Floats) {
    withWorkspace(4 * pixels.chunkCount * pixels.groups) { workspace in
      let moments = UnsafeMutableRawPointer(workspace).assumingMemoryBound(to: Double.self)
      forEachChunk(of: pixels) { chunk in
        kernels.groupMoments(
          x + chunk.offset, rows: chunk.rows, channels: pixels.channels, groups: pixels.groups,
          into: moments + 2 * chunk.index * pixels.groups)
      }
      for picture in 0..<pixels.batch {
        for group in 0..<pixels.groups {
          let (mean, variance) = pixels.combine(moments, picture: picture, group: group)
          let index = 2 * (picture * pixels.groups + group)
          statistics[index] = Float(mean)
          statistics[index + 1] = Float(1 / (variance + Double(epsilon)).squareRoot())
        }
      }
    }
  }

  /// Calls `body` with every chunk of pixels, in parallel where that is worth it.
  func forEachChunk(of pixels: GroupedPixels, _ body: (PixelChunk) -> Void) {
    if pixels.isSmall {
      for index in 0..<pixels.chunkCount { body(pixels.chunk(index)) }
    } else {
      threads.parallelFor(pixels.chunkCount) { body(pixels.chunk($0)) }
    }
  }
}
