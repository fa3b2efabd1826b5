/// Halves a picture by a convolution of stride 2.
struct Downsample: Sendable {
  private let convolution: Convolution

  /// - Parameter padding: the zeros on all sides. With 0 there is one row below and one column to the right, since
  ///   the last window would otherwise hang over the edge.
  init(_ scope: Scope, _ channels: Int, padding: Int) throws {
    let border: Convolution2D.Padding =
      padding == 0 ? .init(top: 0, left: 0, bottom: 1, right: 1) : .all(padding)
    convolution = try Convolution(scope["conv"], channels, channels, stride: 2, padding: border)
  }

  /// [batch, height, width, channels] → half the height and width, odd extents rounded up where padding is 1.
  func callAsFunction(_ x: Variable) -> Variable { convolution(x) }
}

/// Enlarges a picture by repeating pixels, then smooths it by a convolution.
struct Upsample: Sendable {
  private let convolution: Convolution

  init(_ scope: Scope, _ channels: Int) throws {
    convolution = try Convolution(scope["conv"], channels, channels)
  }

  /// [batch, height, width, channels] → the given height and width.
  func callAsFunction(_ x: Variable, to size: (height: Int, width: Int)) -> Variable {
    convolution(x.upsampledNearest(to: size))
  }

  /// [batch, height, width, channels] → twice the height and width.
  func callAsFunction(_ x: Variable) -> Variable { self(x, to: (2 * x.shape[1], 2 * x.shape[2])) }
}
