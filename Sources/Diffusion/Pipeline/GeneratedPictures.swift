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

  /// The pictures one by one, with eight bits for each colour.
  ///
  /// - Throws: `TextToImageError.noNumbers` where colours are not numbers, which would be black.
  public func images() throws(TextToImageError) -> [Image] {
    var images: [Image] = []
    for index in 0..<pixels.shape[0] {
      let colors = pixels.rows(index..<index + 1).floats()
      guard colors.allSatisfy(\.isFinite) else { throw .noNumbers }
      images.append(
        Image(width: pixels.shape[2], height: pixels.shape[1], normalized: colors, layout: .interleaved))
    }
    return images
  }
}
