import Foundation
import Tensor

/// How large a picture may be before it is refused unread.
public struct ImageLimits: Sendable, Hashable {
  /// The largest accepted width times height.
  public var maximumPixels: Int
  /// The largest accepted quotient of the longer and the shorter side. A line of one pixel, resized to a training
  /// picture's height, would fill the memory.
  public var maximumAspectRatio: Int

  /// Limits of the given numbers.
  public init(maximumPixels: Int = 1 << 27, maximumAspectRatio: Int = 64) {
    self.maximumPixels = maximumPixels
    self.maximumAspectRatio = maximumAspectRatio
  }

  /// 134 million pixels: above any camera in common use, and 400 MB as RGB.
  public static let standard = ImageLimits()

  func check(width: Int, height: Int, file: String) throws(ImageError) {
    guard width * height <= maximumPixels else {
      throw .tooLarge(file: file, width: width, height: height, maximumPixels: maximumPixels)
    }
    guard max(width, height) <= min(width, height) * maximumAspectRatio else {
      throw .tooNarrow(file: file, width: width, height: height, maximumAspectRatio: maximumAspectRatio)
    }
  }
}

extension Image {
  /// Decodes the PNG or JPEG file at `url`, upright.
  ///
  /// The content decides the format. 16-bit channels are scaled to 8 bits, transparent pixels are composited on
  /// `background`, CMYK becomes RGB, and the EXIF orientation is applied. Embedded colour profiles and gamma are
  /// ignored, as by the libraries that the model was trained with.
  /// Throws `ImageError`.
  public init(contentsOf url: URL, background: Color = .white, limits: ImageLimits = .standard)
    throws(ImageError)
  {
    let path = url.path(percentEncoded: false)
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw .unreadable(file: path, reason: error.localizedDescription)
    }
    try self.init(decoding: [UInt8](data), name: path, background: background, limits: limits)
  }

  /// Decodes the bytes of a PNG or JPEG file; `name` stands for it in errors.
  public init(decoding bytes: [UInt8], name: String, background: Color = .white, limits: ImageLimits = .standard)
    throws(ImageError)
  {
    guard !bytes.isEmpty else { throw .empty(file: name) }
    let decoded: (image: Image, orientation: Orientation)
    switch ImageFormat(startingWith: bytes) {
    case .png: decoded = try PNG.decode(bytes, name: name, background: background, limits: limits)
    case .jpeg: decoded = try JPEG.decode(bytes, name: name, limits: limits)
    case .some(let format): throw .unsupportedFormat(file: name, format: format)
    case nil: throw .notAnImage(file: name)
    }
    self = decoded.image.upright(from: decoded.orientation)
  }

  /// Writes a PNG file; at every moment `url` holds either what it held before or the whole new file.
  ///
  /// `text` is stored with it, for example the prompt and the seed of a generated picture.
  /// Throws `ImageError.unwritable`.
  public func writePNG(to url: URL, text: [PNG.Text] = []) throws(ImageError) {
    let path = url.path(percentEncoded: false)
    let bytes = try PNG.encode(self, name: path, text: text)
    do {
      var file = try AtomicFile(path: path)
      try file.append(bytes)
      try file.commit()
    } catch {
      throw .unwritable(file: path, reason: error.reason)
    }
  }
}
