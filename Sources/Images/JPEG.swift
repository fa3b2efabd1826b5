internal import CJPEG

/// JPEG files (ITU-T T.81), through libjpeg.
enum JPEG {
  /// Cameras and editors write about ten scans; each one walks over the whole picture.
  private static let maximumScans: Int32 = 500

  /// The pixels as stored, in RGB, and how to turn them upright.
  static func decode(_ bytes: [UInt8], name: String, limits: ImageLimits) throws(ImageError)
    -> (image: Image, orientation: Orientation)
  {
    try bytes.span.bytes.withUnsafeBytes { file throws(ImageError) in
      guard let reader = jpeg_reader_create(file.baseAddress, file.count) else {
        throw .unreadable(file: name, reason: "out of memory")
      }
      defer { jpeg_reader_destroy(reader) }
      func check(_ success: Int32) throws(ImageError) {
        guard success == 0 else { return }
        guard reader.pointee.ranOut == 0 else { throw .truncated(file: name, format: .jpeg) }
        throw .corrupt(
          file: name, format: .jpeg, reason: withUnsafeBytes(of: reader.pointee.message, string))
      }

      try check(jpeg_reader_read_header(reader))
      let (width, height) = (Int(reader.pointee.jpeg.image_width), Int(reader.pointee.jpeg.image_height))
      try limits.check(width: width, height: height, file: name)
      let channels = Int(reader.pointee.jpeg.num_components)
      guard [1, 3, 4].contains(channels) else {
        throw .corrupt(file: name, format: .jpeg, reason: "\(channels) colour channels")
      }

      // libjpeg forgets the markers at the end of the pixels.
      let orientation = orientation(reader)
      // libjpeg turns grey into RGB by itself, but knows no way from CMYK.
      let isCMYK = channels == 4
      try check(jpeg_reader_start(reader, isCMYK ? JCS_CMYK : JCS_RGB, maximumScans))
      let rowBytes = width * (isCMYK ? 4 : 3)
      let pixels = try readPixels(byteCount: rowBytes * height) { pixels throws(ImageError) in
        try check(jpeg_reader_read_pixels(reader, pixels.baseAddress, rowBytes))
        return isCMYK ? convertInvertedCMYK(pixels) : pixels.count
      }
      return (Image(width: width, height: height, pixels: pixels), orientation)
    }
  }

  private static func orientation(_ reader: UnsafeMutablePointer<JPEGReader>) -> Orientation {
    var block: UnsafePointer<UInt8>?
    let count = jpeg_reader_exif(reader, &block)
    return Orientation(exif: UnsafeBufferPointer(start: block, count: count))
  }

  /// Replaces [.., 4] CMYK pixels by [.., 3] RGB pixels, in place; returns the number of bytes left.
  ///
  /// Adobe stores CMYK inverted, 255 for no ink, and everyone followed: as in PIL this holds for every JPEG file.
  /// So each channel is ink times black, rounded like PIL's fixed-point product.
  private static func convertInvertedCMYK(_ pixels: UnsafeMutableBufferPointer<UInt8>) -> Int {
    for pixel in 0..<pixels.count / 4 {
      let paper = Int(pixels[4 * pixel + 3])
      for channel in 0..<3 {
        let ink = 255 - Int(pixels[4 * pixel + channel])
        let product = ink * paper + 128
        pixels[3 * pixel + channel] = UInt8(paper - ((product >> 8) + product) >> 8)
      }
    }
    return pixels.count / 4 * 3
  }
}
