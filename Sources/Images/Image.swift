import Tensor

/// A picture of 8-bit RGB pixels, rows from top to bottom.
public struct Image: Sendable, Hashable {
  /// The width in pixels.
  public let width: Int
  /// The height in pixels.
  public let height: Int
  /// Red, green and blue of every pixel: [height, width, 3].
  public internal(set) var pixels: [UInt8]

  /// A picture of the given `pixels` [height, width, 3].
  public init(width: Int, height: Int, pixels: [UInt8]) {
    require(width > 0 && height > 0, "Image: \(width)x\(height) has no pixels")
    require(
      pixels.count == width * height * 3, "Image: \(pixels.count) bytes for \(width)x\(height) pixels of 3 channels")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// A picture of one colour.
  public init(width: Int, height: Int, color: Color) {
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for start in stride(from: 0, to: pixels.count, by: 3) {
      pixels[start] = color.red
      pixels[start + 1] = color.green
      pixels[start + 2] = color.blue
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// The colour of one pixel, counted from the top left.
  public subscript(x: Int, y: Int) -> Color {
    require(x >= 0 && x < width && y >= 0 && y < height, "Image: no pixel (\(x), \(y)) in \(width)x\(height)")
    let start = (y * width + x) * 3
    return Color(red: pixels[start], green: pixels[start + 1], blue: pixels[start + 2])
  }
}

/// An opaque 8-bit colour.
public struct Color: Sendable, Hashable {
  /// The three channels, 0 to 255.
  public let red, green, blue: UInt8

  /// A colour of the given channels.
  public init(red: UInt8, green: UInt8, blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// The brightest colour.
  public static let white = Color(red: 255, green: 255, blue: 255)
  /// The darkest colour.
  public static let black = Color(red: 0, green: 0, blue: 0)
}
