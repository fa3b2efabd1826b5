/// A picture of 8-bit RGB pixels, rows from top to bottom.
public struct Image: Sendable, Hashable {
  /// The width in pixels.
  public let width: Int
  /// The height in pixels.
  public let height: Int
  /// Red, green and blue of every pixel, interleaved.
  public var pixels: [UInt8]

  /// A picture of the given pixels.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}
