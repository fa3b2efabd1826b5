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
        let (mean, scale) = moments(picture)
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

  /// The derivatives of `groupNorm`, each computed only where it is wanted.
  ///
  /// With x̂ the normalised input and d the gradient by the result before SiLU, dβ = Σ d, dγ = Σ d x̂ and
  /// dx = (γ d - mean(γ d) - x̂ mean(γ d x̂)) / σ, where the means are taken over the group.
  public func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    let name: StaticString = "groupNormBackward"
    let pixels = GroupedPixels(x.shape, spec)
    let (batch, channels) = (pixels.batch, pixels.channels)
    let (x, gradient, gamma, beta) = (x.host(name), gradient.host(name), gamma.host(name), beta.host(name))
    let statistics = statistics.host(name)
    withWorkspace((2 * pixels.chunkCount + 4 * batch) * channels) { workspace in
      let moments = pixels.spread(statistics, into: workspace)
      let groupSums = workspace + 2 * batch * channels
      let partial = groupSums + 2 * batch * channels

      /// d and x̂ of one slot.
      @inline(__always)
      func derivative(_ offset: Int, _ slot: Slot, _ mean: Floats, _ scale: Floats) -> (d: Lanes, normalized: Lanes) {
        let normalized = (x[slot + offset] - mean[slot]) * scale[slot]
        let g = gradient[slot + offset]
        if !spec.silu { return (g, normalized) }
        return (g * VectorMath.siluDerivative(normalized * gamma[slot] + beta[slot]), normalized)
      }

      forEachPixelChunk(pixels) { picture, rows in
        let (mean, scale) = moments(picture)
        let sums = partial + 2 * pixels.chunkIndex(rows) * channels
        sumRowPairs(rows, columns: 0..<channels, into: sums, sums + channels) { row, slot in
          let (d, normalized) = derivative(row * channels, slot, mean, scale)
          return (d, d * normalized)
        }
      }
      // Each chunk left [Σ d | Σ d x̂], one row of twice the channels.
      for picture in 0..<batch {
        let chunks = partial + 2 * picture * pixels.chunksPerPicture * channels
        addUp(pixels.chunksPerPicture, of: 2 * channels, chunks, into: groupSums + 2 * picture * channels, .overwrite)
      }
      let strided = (groupSums, 2 * channels)
      if let dbeta { sumPictures(batch, channels, strided, into: dbeta.host(name), dbeta.write) }
      if let dgamma {
        sumPictures(batch, channels, (groupSums + channels, 2 * channels), into: dgamma.host(name), dgamma.write)
      }
      guard let dx else { return }
      let target = dx.host(name)
      for picture in 0..<batch { pixels.average(groupSums + 2 * picture * channels, gamma) }
      forEachPixelChunk(pixels) { picture, rows in
        let (mean, scale) = moments(picture)
        let first = groupSums + 2 * picture * channels
        let second = first + channels
        for row in rows {
          let offset = row * channels
          store(0..<channels, into: target + offset, dx.write) { slot in
            let (d, normalized) = derivative(offset, slot, mean, scale)
            return scale[slot] * ((gamma[slot] * d - first[slot]) - normalized * second[slot])
          }
        }
      }
    }
  }

  private func sumPictures(
    _ batch: Int, _ channels: Int, _ rows: (first: Floats, stride: Int), into out: Floats, _ write: Write
  ) {
    sumRows(0..<batch, columns: 0..<channels, into: out, write) { row, slot in rows.first[slot + row * rows.stride] }
  }

  /// Calls `body` with a picture and a range of its pixels, counted through the whole batch, in parallel.
  @inline(__always)
  private func forEachPixelChunk(_ pixels: GroupedPixels, _ body: (Int, Range<Int>) -> Void) {
    threads.parallelFor(pixels.chunkCount) { chunk in
      let (picture, part) = chunk.quotientAndRemainder(dividingBy: pixels.chunksPerPicture)
      let start = part * pixels.rowsPerChunk
      let end = min(start + pixels.rowsPerChunk, pixels.area)
      body(picture, picture * pixels.area + start..<picture * pixels.area + end)
    }
  }
}

/// How [batch, height, width, channels] is divided into groups of channels and chunks of pixels.
private struct GroupedPixels {
  let batch: Int
  let area: Int
  let channels: Int
  let groups: Int
  let rowsPerChunk: Int
  let chunksPerPicture: Int

  init(_ shape: Shape, _ spec: GroupNormalization) {
    (batch, area, channels) = (shape[0], shape[1] * shape[2], shape[3])
    groups = spec.groups
    rowsPerChunk = CPUBackend.rowsPerChunk(channels)
    chunksPerPicture = (area + rowsPerChunk - 1) / rowsPerChunk
  }

  var chunkCount: Int { batch * chunksPerPicture }
  var channelsPerGroup: Int { channels / groups }

  /// The number of the chunk that starts with the given pixels.
  @inline(__always)
  func chunkIndex(_ rows: Range<Int>) -> Int {
    let (picture, pixel) = rows.lowerBound.quotientAndRemainder(dividingBy: area)
    return picture * chunksPerPicture + pixel / rowsPerChunk
  }

  /// Writes the statistics [batch, groups, 2] out for every channel; the result gives a picture's means and scales.
  func spread(_ statistics: Floats, into workspace: Floats) -> (Int) -> (mean: Floats, scale: Floats) {
    for picture in 0..<batch {
      let mean = workspace + 2 * picture * channels
      for channel in 0..<channels {
        let group = picture * groups + channel / channelsPerGroup
        mean[channel] = statistics[2 * group]
        mean[channels + channel] = statistics[2 * group + 1]
      }
    }
    return { picture in
      let mean = workspace + 2 * picture * channels
      return (mean, mean + channels)
    }
  }

  /// The mean and the variance of a group from those of its channels in each chunk.
  func combine(_ partial: Floats, group: Int) -> (mean: Double, variance: Double) {
    let (picture, part) = group.quotientAndRemainder(dividingBy: groups)
    let range = part * channelsPerGroup..<(part + 1) * channelsPerGroup
    func forEachPart(_ body: (Double, Double, Double) -> Void) {
      for chunk in 0..<chunksPerPicture {
        let mean = partial + 2 * (picture * chunksPerPicture + chunk) * channels
        let count = Double(min(rowsPerChunk, area - chunk * rowsPerChunk))
        for channel in range { body(count, Double(mean[channel]), Double(mean[channels + channel])) }
      }
    }
    let total = Double(area * channelsPerGroup)
    var mean = 0.0
    forEachPart { count, partMean, _ in mean += count * partMean }
    mean /= total
    var deviations = 0.0
    forEachPart { count, partMean, partDeviations in
      deviations += partDeviations + count * (partMean - mean) * (partMean - mean)
    }
    return (mean, deviations / total)
  }

  /// Turns the sums [Σ d | Σ d x̂] of every channel of a picture into the means of γ d and γ d x̂ over its group.
  func average(_ sums: Floats, _ gamma: Floats) {
    let total = Double(area * channelsPerGroup)
    for start in stride(from: 0, to: channels, by: channelsPerGroup) {
      let range = start..<start + channelsPerGroup
      for half in [sums, sums + channels] {
        let mean = Float(range.reduce(0.0) { $0 + Double(gamma[$1]) * Double(half[$1]) } / total)
        for channel in range { half[channel] = mean }
      }
    }
  }
}
