public import CPUKernels

extension Kernels {
  /// The rows that are read at once, for one vector of channels after the other: few enough that they lie in the fastest
  /// cache, and that their sum is hardly rounded.
  private static var blockRows: Int { 8 }

  /// Moments of groups of channels; see `NormalizationKernels`.
  public static func groupMoments(
    _ x: ConstantFloats, rows: Int, channels: Int, groups: Int, into moments: UnsafeMutablePointer<Double>
  ) {
    withUnsafeTemporaryAllocation(byteCount: 8 * channels, alignment: 64) { memory in
      let mean = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      let deviations = mean + channels
      channelMoments(x, rows: rows, channels: channels, mean: mean, deviations: deviations)
      let width = channels / groups
      for group in 0..<groups {
        let offset = group * width
        let (mean, deviations) = (mean + offset, deviations + offset)
        var sum = 0.0
        for channel in 0..<width { sum += Double(mean[channel]) }
        let groupMean = sum / Double(width)
        var (within, between) = (0.0, 0.0)
        for channel in 0..<width {
          let distance = Double(mean[channel]) - groupMean
          within += Double(deviations[channel])
          between += distance * distance
        }
        moments[2 * group] = groupMean
        moments[2 * group + 1] = within + between * Double(rows)
      }
    }
  }

  /// The mean and the sum of the squared deviations of each channel.
  private static func channelMoments(
    _ x: ConstantFloats, rows: Int, channels: Int, mean: Floats, deviations: Floats
  ) {
    for channel in 0..<channels { (mean[channel], deviations[channel]) = (0, 0) }
    var row = 0
    while row < rows {
      let count = min(blockRows, rows - row)
      let block = x + row * channels
      let inverse = 1 / Float(count)
      // The share of these rows in all up to here, and what the square of the distance between the means counts for.
      let share = Float(count) / Float(row + count)
      let weight = Float(row) * share
      @inline(__always) func combine(_ channel: Int, _ lanes: Int) {
        var sum = Vector.zero
        for row in 0..<count { sum += block.vector(at: row * channels + channel, count: lanes) }
        let blockMean = sum * inverse
        var squares = Vector.zero
        for row in 0..<count {
          let deviation = block.vector(at: row * channels + channel, count: lanes) - blockMean
          addProduct(deviation, deviation, to: &squares)
        }
        let old = ConstantFloats(mean).vector(at: channel, count: lanes)
        let distance = blockMean - old
        squares += ConstantFloats(deviations).vector(at: channel, count: lanes)
        addProduct(distance * distance, Vector(repeating: weight), to: &squares)
        mean.store(old + distance * share, at: channel, count: lanes)
        deviations.store(squares, at: channel, count: lanes)
      }
      forEachVector(channels, combine)
      row += count
    }
  }

  /// Normalised groups of channels; see `NormalizationKernels`.
  public static func groupNorm(
    _ x: ConstantFloats, rows: Int, channels: Int, _ parameters: GroupNormParameters, silu: Bool, into out: Floats
  ) {
    for row in 0..<rows {
      let (from, to) = (x + row * channels, out + row * channels)
      @inline(__always) func normalize(_ channel: Int, _ lanes: Int) {
        to.store(
          parameters.normalize(from.vector(at: channel, count: lanes), channel, lanes), at: channel, count: lanes)
      }
      @inline(__always) func activate(_ channel: Int, _ lanes: Int) {
        let y = parameters.normalize(from.vector(at: channel, count: lanes), channel, lanes)
        to.store(VectorMath.silu(y), at: channel, count: lanes)
      }
      if silu { forEachVectorOfLongBody(channels, activate) } else { forEachVector(channels, normalize) }
    }
  }

  /// Sums over the pixels that the derivatives are made of; see `NormalizationKernels`.
  public static func groupNormSums(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, channels: Int, _ parameters: GroupNormParameters,
    siluDerivative: Floats?, into sums: Floats
  ) {
    for index in 0..<2 * channels { sums[index] = 0 }
    var row = 0
    while row < rows {
      let count = min(blockRows, rows - row)
      let (x, gradient) = (x + row * channels, gradient + row * channels)
      if let siluDerivative {
        let derivative = siluDerivative + row * channels
        differentiateSiLU(x, gradient, rows: count, channels: channels, parameters, into: derivative)
        addBlock(x, derivative, rows: count, channels: channels, mean: parameters.mean, to: sums)
      } else {
        addBlock(x, gradient, rows: count, channels: channels, mean: parameters.mean, to: sums)
      }
      row += count
    }
    let products = sums + channels
    @inline(__always) func scale(_ channel: Int, _ lanes: Int) {
      let sum = ConstantFloats(products).vector(at: channel, count: lanes)
      products.store(sum * parameters.scale.vector(at: channel, count: lanes), at: channel, count: lanes)
    }
    forEachVector(channels, scale)
  }

  /// Carries gradients back through SiLU.
  private static func differentiateSiLU(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, channels: Int, _ parameters: GroupNormParameters,
    into derivative: Floats
  ) {
    for row in 0..<rows {
      let (from, g, to) = (x + row * channels, gradient + row * channels, derivative + row * channels)
      forEachVectorOfLongBody(channels) { channel, lanes in
        let y = parameters.normalize(from.vector(at: channel, count: lanes), channel, lanes)
        to.store(
          g.vector(at: channel, count: lanes) * VectorMath.siluDerivative(y), at: channel, count: lanes)
      }
    }
  }

  /// Adds d and d (x - mean) of a few rows to the sums of each channel.
  private static func addBlock(
    _ x: ConstantFloats, _ derivative: ConstantFloats, rows: Int, channels: Int, mean: ConstantFloats, to sums: Floats
  ) {
    let products = sums + channels
    @inline(__always) func add(_ channel: Int, _ lanes: Int) {
      let mean = mean.vector(at: channel, count: lanes)
      var (sum, product) = (Vector.zero, Vector.zero)
      var offset = channel
      for _ in 0..<rows {
        let d = derivative.vector(at: offset, count: lanes)
        sum += d
        addProduct(d, x.vector(at: offset, count: lanes) - mean, to: &product)
        offset += channels
      }
      sums.add(sum, at: channel, count: lanes)
      products.add(product, at: channel, count: lanes)
    }
    forEachVector(channels, add)
  }

  /// Derivatives by the input; see `NormalizationKernels`.
  public static func groupNormDerivative(
    _ x: ConstantFloats, _ derivative: ConstantFloats, rows: Int, channels: Int, mean: ConstantFloats,
    factor: ConstantFloats, shift: ConstantFloats, slope: ConstantFloats, into dx: Floats, _ write: Write
  ) {
    for row in 0..<rows {
      let offset = row * channels
      @inline(__always) func differentiate(_ channel: Int, _ lanes: Int) {
        let distance = x.vector(at: offset + channel, count: lanes) - mean.vector(at: channel, count: lanes)
        var result = shift.vector(at: channel, count: lanes)
        addProduct(distance, slope.vector(at: channel, count: lanes), to: &result)
        addProduct(
          derivative.vector(at: offset + channel, count: lanes), factor.vector(at: channel, count: lanes), to: &result)
        if write == .accumulate { result += ConstantFloats(dx).vector(at: offset + channel, count: lanes) }
        dx.store(result, at: offset + channel, count: lanes)
      }
      forEachVector(channels, differentiate)
    }
  }
}

extension GroupNormParameters {
  /// (x - mean) · scale · gamma + beta of one vector of a row.
  @inline(__always)
  fileprivate func normalize(_ x: Vector, _ channel: Int, _ lanes: Int) -> Vector {
    let normalized = (x - mean.vector(at: channel, count: lanes)) * scale.vector(at: channel, count: lanes)
    var y = beta.vector(at: channel, count: lanes)
    addProduct(normalized, gamma.vector(at: channel, count: lanes), to: &y)
    return y
  }
}
