import CPUKernels

/// How [batch, height, width, channels] is divided into groups of channels and chunks of pixels.
struct GroupedPixels {
  let batch: Int
  let area: Int
  let channels: Int
  let groups: Int
  /// A multiple of eight, the number of pixels that kernels read at once.
  let rowsPerChunk: Int
  let chunksPerPicture: Int

  /// A chunk is large against the cost of sharing out, and there are at most 64 of a picture, as their sums are added up
  /// by one thread.
  init(_ shape: Shape, _ spec: GroupNormalization) {
    (batch, area, channels) = (shape[0], shape[1] * shape[2], shape[3])
    groups = spec.groups
    let rows = max(16_384 / max(channels, 1), (area + 63) / 64)
    rowsPerChunk = max((rows + 7) & ~7, 8)
    chunksPerPicture = (area + rowsPerChunk - 1) / rowsPerChunk
  }

  var chunkCount: Int { batch * chunksPerPicture }
  var channelsPerGroup: Int { channels / groups }

  /// Whether one thread is done sooner than it could tell the others.
  var isSmall: Bool { batch * area * channels <= 16_384 }

  /// The pixels of a chunk.
  func chunk(_ index: Int) -> PixelChunk {
    let (picture, part) = index.quotientAndRemainder(dividingBy: chunksPerPicture)
    let start = part * rowsPerChunk
    return PixelChunk(
      index: index, picture: picture, offset: (picture * area + start) * channels, rows: min(rowsPerChunk, area - start)
    )
  }

  /// Writes the statistics [batch, groups, 2] out for every channel.
  func spread(_ statistics: Floats, into workspace: Floats) -> ChannelPairs {
    let pairs = ChannelPairs(start: workspace, channels: channels)
    for picture in 0..<batch {
      let (mean, scale) = pairs.rows(of: picture)
      forEachGroup { group, range in
        let index = 2 * (picture * groups + group)
        for channel in range { (mean[channel], scale[channel]) = (statistics[index], statistics[index + 1]) }
      }
    }
    return pairs
  }

  /// Calls `body` with every group of a picture and its channels.
  @inline(__always)
  func forEachGroup(_ body: (Int, Range<Int>) -> Void) {
    for group in 0..<groups { body(group, group * channelsPerGroup..<(group + 1) * channelsPerGroup) }
  }

  /// The mean and the variance of a group, from the means and the squared deviations [chunks, groups, 2] of its parts.
  func combine(_ moments: UnsafeMutablePointer<Double>, picture: Int, group: Int) -> (mean: Double, variance: Double) {
    let parts = moments + 2 * (picture * chunksPerPicture * groups + group)
    func forEachPart(_ body: (_ count: Double, _ mean: Double, _ deviations: Double) -> Void) {
      for part in 0..<chunksPerPicture {
        let rows = min(rowsPerChunk, area - part * rowsPerChunk)
        let moments = parts + 2 * part * groups
        body(Double(rows * channelsPerGroup), moments[0], moments[1])
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
}

/// Pixels of one picture that a thread takes at a time.
struct PixelChunk {
  /// Its number in the whole batch.
  let index: Int
  let picture: Int
  /// Where its first element lies in the whole batch.
  let offset: Int
  /// Its pixels.
  let rows: Int
}

/// Two numbers for each channel of each picture, [batch, 2, channels].
struct ChannelPairs {
  let start: Floats
  let channels: Int

  /// The first and the second numbers of a picture.
  func rows(of picture: Int) -> (first: Floats, second: Floats) {
    let first = start + 2 * picture * channels
    return (first, first + channels)
  }

  /// The parameters of a picture's channels, where the pairs are the mean and 1/σ.
  func parameters(of picture: Int, gamma: Floats, beta: Floats) -> GroupNormParameters {
    let (mean, scale) = rows(of: picture)
    return GroupNormParameters(mean: mean, scale: scale, gamma: gamma, beta: beta)
  }
}
