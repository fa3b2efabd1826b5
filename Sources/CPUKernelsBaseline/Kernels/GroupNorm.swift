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
    if silu {
      groupNorm(SiLU.self, x, rows, channels, parameters, into: out)
    } else {
      groupNorm(Identity.self, x, rows, channels, parameters, into: out)
    }
  }

  @inline(__always)
  private static func groupNorm<Following: Activation>(
    _: Following.Type, _ x: ConstantFloats, _ rows: Int, _ channels: Int, _ parameters: GroupNormParameters,
    into out: Floats
  ) {
    for row in 0..<rows {
      let (from, to) = (x + row * channels, out + row * channels)
      @inline(__always) func normalize(_ channel: Int, _ lanes: Int) {
        let y = parameters.normalize(from.vector(at: channel, count: lanes), channel, lanes).y
        to.store(Following.value(y), at: channel, count: lanes)
      }
      forEachVector(channels, normalize)
    }
  }

  /// Sums over the pixels that the derivatives are made of; see `NormalizationKernels`.
  public static func groupNormSums(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, channels: Int, _ parameters: GroupNormParameters,
    silu: Bool, derivative: Floats?, into sums: Floats
  ) {
    if silu {
      groupNormSums(SiLU.self, x, gradient, rows, channels, parameters, derivative, into: sums)
    } else {
      groupNormSums(Identity.self, x, gradient, rows, channels, parameters, nil, into: sums)
    }
  }

  @inline(__always)
  private static func groupNormSums<Following: Activation>(
    _: Following.Type, _ x: ConstantFloats, _ gradient: ConstantFloats, _ rows: Int, _ channels: Int,
    _ parameters: GroupNormParameters, _ derivative: Floats?, into sums: Floats
  ) {
    let (plain, normalized) = (sums, sums + channels)
    for index in 0..<2 * channels { sums[index] = 0 }
    var row = 0
    while row < rows {
      let count = min(blockRows, rows - row)
      @inline(__always) func addBlock(_ channel: Int, _ lanes: Int) {
        var (sum, product) = (Vector.zero, Vector.zero)
        var offset = row * channels + channel
        for _ in 0..<count {
          let (y, normalized) = parameters.normalize(x.vector(at: offset, count: lanes), channel, lanes)
          let d = gradient.vector(at: offset, count: lanes) * Following.derivative(y)
          if let derivative { derivative.store(d, at: offset, count: lanes) }
          sum += d
          addProduct(d, normalized, to: &product)
          offset += channels
        }
        plain.add(sum, at: channel, count: lanes)
        normalized.add(product, at: channel, count: lanes)
      }
      forEachVector(channels, addBlock)
      row += count
    }
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

/// What follows a normalisation. A type, so that its code becomes part of the loop.
private protocol Activation {
  static func value(_ y: Vector) -> Vector
  static func derivative(_ y: Vector) -> Vector
}

private enum Identity: Activation {
  @inline(__always)
  static func value(_ y: Vector) -> Vector { y }
  @inline(__always)
  static func derivative(_ y: Vector) -> Vector { Vector(repeating: 1) }
}

private enum SiLU: Activation {
  @inline(__always)
  static func value(_ y: Vector) -> Vector { VectorMath.silu(y) }
  @inline(__always)
  static func derivative(_ y: Vector) -> Vector { VectorMath.siluDerivative(y) }
}

extension GroupNormParameters {
  /// x̂ = (x - mean) · scale and y = x̂ · gamma + beta of one vector of a row.
  @inline(__always)
  fileprivate func normalize(_ x: Vector, _ channel: Int, _ lanes: Int) -> (y: Vector, normalized: Vector) {
    let normalized =
      (x - mean.vector(at: channel, count: lanes)) * scale.vector(at: channel, count: lanes)
    var y = beta.vector(at: channel, count: lanes)
    addProduct(normalized, gamma.vector(at: channel, count: lanes), to: &y)
    return (y, normalized)
  }
}
