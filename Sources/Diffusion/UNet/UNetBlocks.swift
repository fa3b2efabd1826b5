/// The layers of one level on the way down, then a picture of half the size unless it is the last level.
struct DownBlock: Sendable {
  private let layers: [UNetLayer]
  private let downsample: Downsample?

  /// - Parameter padding: the zeros around a picture that is halved; `nil` for the last level.
  init(_ scope: Scope, from input: Int, _ level: UNetLevel, attends: Bool, padding: Int?) throws {
    layers = try (0..<level.layers).map {
      try UNetLayer(scope, $0, from: $0 == 0 ? input : level.channels, level, attends: attends)
    }
    downsample = try padding.map { try Downsample(scope["downsamplers"][0], level.channels, padding: $0) }
  }

  /// [batch, height, width, input] → [batch, height', width', channels]; everything made on the way joins `skips`.
  func callAsFunction(_ x: Variable, skips: inout [Variable], _ conditioning: UNetConditioning) -> Variable {
    var h = x
    for layer in layers {
      h = layer(h, conditioning)
      skips.append(h)
    }
    if let downsample {
      h = downsample(h)
      skips.append(h)
    }
    return h
  }
}

/// The layers at the smallest picture: a transformer between two residual layers.
struct MiddleBlock: Sendable {
  private let first: UNetLayer
  private let last: UNetLayer

  init(_ scope: Scope, _ level: UNetLevel) throws {
    first = try UNetLayer(scope, 0, from: level.channels, level, attends: true)
    last = try UNetLayer(scope, 1, from: level.channels, level, attends: false)
  }

  /// [batch, height, width, channels].
  func callAsFunction(_ x: Variable, _ conditioning: UNetConditioning) -> Variable {
    last(first(x, conditioning), conditioning)
  }
}

/// The layers of one level on the way up, each joined by what the way down left at its size.
struct UpBlock: Sendable {
  private let layers: [UNetLayer]
  private let upsample: Upsample?

  /// - Parameters:
  ///   - input: the channels that come from below.
  ///   - skips: the channels of each layer's skip connection, in the order of the layers.
  ///   - enlarges: whether there is a larger level above.
  init(
    _ scope: Scope, from input: Int, skips: [Int], _ level: UNetLevel, attends: Bool, enlarges: Bool
  ) throws {
    layers = try skips.indices.map {
      let below = $0 == 0 ? input : level.channels
      return try UNetLayer(scope, $0, from: below + skips[$0], level, attends: attends)
    }
    upsample = enlarges ? try Upsample(scope["upsamplers"][0], level.channels) : nil
  }

  /// [batch, height, width, input] → [batch, height', width', channels]; takes its skip connections off the end.
  ///
  /// The result has the size of the next skip connection, which is not twice the old one where the way down met an
  /// odd extent.
  func callAsFunction(_ x: Variable, skips: inout [Variable], _ conditioning: UNetConditioning) -> Variable {
    var h = x
    for layer in layers { h = layer(h, skip: skips.removeLast(), conditioning) }
    guard let upsample, let next = skips.last else { return h }
    return upsample(h, to: (next.shape[1], next.shape[2]))
  }
}
