import Tensor

/// The order of the numbers of a picture in memory.
public enum PixelLayout: Sendable, Hashable {
  /// [3, height, width], as PyTorch has it.
  case planar
  /// [height, width, 3], as our models have it.
  case interleaved
}

extension Image {
  /// torchvision's `ToTensor` and `Normalize([0.5], [0.5])` of every possible byte: -1 is black, 1 is white.
  private static let normalized: [Float] = (0...255).map { (Float($0) / 255 - 0.5) / 0.5 }

  /// The picture as numbers from -1 to 1, equal to those of torchvision's `ToTensor` and `Normalize([0.5], [0.5])`.
  public func normalized(_ layout: PixelLayout) -> [Float] {
    switch layout {
    case .interleaved:
      return pixels.map { Self.normalized[Int($0)] }
    case .planar:
      let area = width * height
      return [Float](unsafeUninitializedCapacity: pixels.count) { planes, count in
        for (position, byte) in pixels.enumerated() {
          let (pixel, channel) = position.quotientAndRemainder(dividingBy: 3)
          planes[channel * area + pixel] = Self.normalized[Int(byte)]
        }
        count = pixels.count
      }
    }
  }

  /// A picture from numbers of which -1 is black and 1 is white.
  ///
  /// Equal to diffusers' `VaeImageProcessor.postprocess`: x / 2 + 0.5 cut to 0...1, times 255, rounded to nearest with
  /// ties to even. What is not a number becomes black.
  public init(width: Int, height: Int, normalized values: [Float], layout: PixelLayout) {
    require(
      values.count == width * height * 3, "Image: \(values.count) numbers for \(width)x\(height) pixels of 3 channels")
    let area = width * height
    let pixels = (0..<values.count).map { position in
      let (pixel, channel) = position.quotientAndRemainder(dividingBy: 3)
      return Self.byte(values[layout == .interleaved ? position : channel * area + pixel])
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  private static func byte(_ value: Float) -> UInt8 {
    let brightness = value / 2 + 0.5
    // This comparison is also false for NaN.
    guard brightness > 0 else { return 0 }
    return UInt8((min(brightness, 1) * 255).rounded(.toNearestOrEven))
  }
}
