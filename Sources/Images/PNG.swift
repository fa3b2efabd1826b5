internal import CPNG
import Tensor

/// PNG files (ISO/IEC 15948), through libpng.
public enum PNG {
  /// A keyword and a value stored beside the pixels, such as the prompt of a generated picture.
  public struct Text: Sendable, Hashable {
    /// 1 to 79 printable ASCII characters, by custom such as "Description" or "Comment".
    public let keyword: String
    /// Any text.
    public let value: String

    /// A keyword and its value.
    public init(_ keyword: String, _ value: String) {
      require(
        (1...79).contains(keyword.utf8.count) && keyword.utf8.allSatisfy { (0x20...0x7E).contains($0) },
        "PNG.Text: the keyword \"\(keyword)\" is not 1 to 79 printable ASCII characters")
      self.keyword = keyword
      self.value = value
    }
  }

  /// Deflate cannot shrink data to less than 1/1032, so a file that claims more pixels than that is cut or hostile.
  private static let largestCompressionRatio = 1032
  /// No text, profile or EXIF block in a picture worth training on is larger than this.
  private static let largestMetadataChunk = 16 << 20

  /// The pixels as stored, in RGB, and how to turn them upright.
  static func decode(_ bytes: [UInt8], name: String, background: Color, limits: ImageLimits) throws(ImageError)
    -> (image: Image, orientation: Orientation)
  {
    try bytes.span.bytes.withUnsafeBytes { file throws(ImageError) in
      guard let reader = png_reader_create(file.baseAddress, file.count) else {
        throw .unreadable(file: name, reason: "out of memory")
      }
      defer { png_reader_destroy(reader) }
      func check(_ success: Int32) throws(ImageError) {
        guard success == 0 else { return }
        guard reader.pointee.ranOut == 0 else { throw .truncated(file: name, format: .png) }
        throw .corrupt(file: name, format: .png, reason: reader.message)
      }

      try check(png_reader_read_header(reader, largestMetadataChunk))
      let (png, info) = (reader.pointee.png, reader.pointee.info)
      let (width, height) = (Int(png_get_image_width(png, info)), Int(png_get_image_height(png, info)))
      try limits.check(width: width, height: height, file: name)
      guard png_get_rowbytes(png, info) * height / largestCompressionRatio <= file.count else {
        throw .truncated(file: name, format: .png)
      }

      try check(png_reader_convert_to_8_bit_color(reader))
      let rowBytes = png_get_rowbytes(png, info)
      let hasAlpha = png_get_channels(png, info) == 4
      let pixels = try readPixels(byteCount: rowBytes * height) { pixels throws(ImageError) in
        try check(png_reader_read_pixels(reader, pixels.baseAddress, rowBytes))
        return hasAlpha ? composite(pixels, on: background) : pixels.count
      }
      return (Image(width: width, height: height, pixels: pixels), orientation(reader))
    }
  }

  /// Replaces [.., 4] pixels by [.., 3] pixels on `background`, in place; returns the number of bytes left.
  ///
  /// color * alpha + background * (1 - alpha), rounded to nearest.
  private static func composite(_ pixels: UnsafeMutableBufferPointer<UInt8>, on background: Color) -> Int {
    let background = [background.red, background.green, background.blue].map(Int.init)
    for pixel in 0..<pixels.count / 4 {
      let alpha = Int(pixels[4 * pixel + 3])
      for channel in 0..<3 {
        let mixed = Int(pixels[4 * pixel + channel]) * alpha + background[channel] * (255 - alpha)
        pixels[3 * pixel + channel] = UInt8((mixed + 127) / 255)
      }
    }
    return pixels.count / 4 * 3
  }

  private static func orientation(_ reader: UnsafeMutablePointer<PNGReader>) -> Orientation {
    var block: UnsafePointer<UInt8>?
    let count = png_reader_exif(reader, &block)
    return Orientation(exif: UnsafeBufferPointer(start: block, count: count))
  }

  /// The bytes of a PNG file of 8-bit RGB; `name` stands for it in errors.
  public static func encode(_ image: Image, name: String = "PNG", text: [Text] = []) throws(ImageError) -> [UInt8] {
    guard let writer = png_writer_create() else { throw .unwritable(file: name, reason: "out of memory") }
    defer { png_writer_destroy(writer) }
    func check(_ success: Int32) throws(ImageError) {
      guard success == 0 else { return }
      throw .unwritable(file: name, reason: withUnsafeBytes(of: writer.pointee.message, string))
    }
    for text in text {
      // The plain chunk is what every program reads, but it holds Latin-1 only.
      let isASCII = text.value.utf8.allSatisfy { $0 < 0x80 }
      try check(png_writer_add_text(writer, text.keyword, text.value, isASCII ? 0 : 1))
    }
    try check(
      image.pixels.withUnsafeBufferPointer {
        png_writer_write(writer, $0.baseAddress, UInt32(image.width), UInt32(image.height))
      })
    return Array(UnsafeBufferPointer(start: writer.pointee.bytes, count: writer.pointee.count))
  }
}

extension UnsafeMutablePointer<PNGReader> {
  fileprivate var message: String { withUnsafeBytes(of: pointee.message, string) }
}
