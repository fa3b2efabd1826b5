/// What text-to-image gives back.
public struct GeneratedPictures: Sendable {
  /// The last latents, [batch, channels, height, width] in PyTorch's order.
  public let latents: Tensor
  /// The pictures, about -1...1, [batch, height, width, 3].
  public let pixels: Tensor

  /// Pictures that are at hand.
  public init(latents: Tensor, pixels: Tensor) {
    self.latents = latents
    self.pixels = pixels
  }

  /// The pictures as bytes, row by row, red, green and blue side by side.
  public func bytes() -> [UInt8] {
    pixels.array(Float.self).map { value in
      UInt8((min(max(value * 0.5 + 0.5, 0), 1) * 255).rounded(.toNearestOrEven))
    }
  }
}
