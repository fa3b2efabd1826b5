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
      forEachPixelChunk(pixels) { picture, rows in
        let (mean, scale) = moments.rows(of: picture)
        for row in rows {
          let (from, to) = (x + row * pixels.channels, out + row * pixels.channels)
          if spec.silu {
            store(0..<pixels.channels, into: to, .overwrite) { slot in
              let y = (from[slot] - mean[slot]) * (scale[slot] * gamma[slot]) + beta[slot]
              return y * VectorMath.sigmoid(y)
            }
          } else {
            store(0..<pixels.channels, into: to, .overwrite) { slot in
              (from[slot] - mean[slot]) * (scale[slot] * gamma[slot]) + beta[slot]
            }
          }
        }
      }
    }
  }

  /// The mean and 1/σ of every group.
  ///
  /// Each chunk of pixels yields the mean and the squared deviations of each of its channels; they are combined in
  /// Float64 (T. F. Chan, G. H. Golub, R. J. LeVeque, 1979), so a mean far from zero costs no accuracy.
  private func groupMoments(_ x: Floats, _ pixels: GroupedPixels, epsilon: Float, into statistics: Floats) {
    let channels = pixels.channels
    withWorkspace(2 * pixels.chunkCount * channels) { partial in
      forEachPixelChunk(pixels) { _, rows in
        let mean = partial + 2 * pixels.chunkIndex(rows) * channels
        let deviations = mean + channels
        let count = Float(rows.count)
        sumRows(rows, columns: 0..<channels, into: mean, .overwrite) { row, slot in x[slot + row * channels] }
        store(0..<channels, into: mean, .overwrite) { mean[$0] / count }
        sumRows(rows, columns: 0..<channels, into: deviations, .overwrite) { row, slot in
          let deviation = x[slot + row * channels] - mean[slot]
          return deviation * deviation
        }
      }
      forEachChunk(pixels.batch * pixels.groups, of: 8) { groups in
        for group in groups {
          let moments = pixels.combine(partial, group: group)
          statistics[2 * group] = Float(moments.mean)
          statistics[2 * group + 1] = Float(1 / (moments.variance + Double(epsilon)).squareRoot())
        }
      }
    }
  }

  /// Calls `body` with a picture and a range of its pixels, counted through the whole batch, in parallel.
  @inline(__always)
  func forEachPixelChunk(_ pixels: GroupedPixels, _ body: (Int, Range<Int>) -> Void) {
    threads.parallelFor(pixels.chunkCount) { chunk in
      let (picture, part) = chunk.quotientAndRemainder(dividingBy: pixels.chunksPerPicture)
      let start = part * pixels.rowsPerChunk
      let end = min(start + pixels.rowsPerChunk, pixels.area)
      body(picture, picture * pixels.area + start..<picture * pixels.area + end)
    }
  }
}
