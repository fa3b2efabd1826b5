/// How [batch, height, width, channels] is divided into groups of channels and chunks of pixels.
struct GroupedPixels {
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

  /// Writes the statistics [batch, groups, 2] out for every channel.
  func spread(_ statistics: Floats, into workspace: Floats) -> ChannelPairs {
    let pairs = ChannelPairs(start: workspace, channels: channels)
    for picture in 0..<batch {
      let (mean, scale) = pairs.rows(of: picture)
      for channel in 0..<channels {
        let group = picture * groups + channel / channelsPerGroup
        (mean[channel], scale[channel]) = (statistics[2 * group], statistics[2 * group + 1])
      }
    }
    return pairs
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

  /// Replaces a weighted sum for every channel of a picture by its mean over the channel's group.
  func average(_ sums: Floats, weights: Floats) {
    let total = Double(area * channelsPerGroup)
    for start in stride(from: 0, to: channels, by: channelsPerGroup) {
      let range = start..<start + channelsPerGroup
      let mean = Float(range.reduce(0.0) { $0 + Double(weights[$1]) * Double(sums[$1]) } / total)
      for channel in range { sums[channel] = mean }
    }
  }
}

/// Two numbers for each channel of each picture, [batch, 2, channels].
struct ChannelPairs {
  let start: Floats
  let channels: Int

  /// The first and the second numbers of a picture.
  @inline(__always)
  func rows(of picture: Int) -> (first: Floats, second: Floats) {
    let first = start + 2 * picture * channels
    return (first, first + channels)
  }
}
