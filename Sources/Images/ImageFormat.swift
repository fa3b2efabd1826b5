import Foundation

/// The file formats that are told apart by their first bytes; names and extensions play no part.
public enum ImageFormat: String, Sendable, Hashable, CaseIterable {
  case png = "PNG"
  case jpeg = "JPEG"
  case gif = "GIF"
  case webP = "WebP"
  case heif = "HEIC"
  case avif = "AVIF"
  case bmp = "BMP"
  case tiff = "TIFF"
  case jpegXL = "JPEG XL"
  case jpeg2000 = "JPEG 2000"
  case photoshop = "Photoshop"
  case icon = "icon"
  case portableAnymap = "PNM"
  case quiteOK = "QOI"

  /// Whether `Image` can decode this format.
  public var isSupported: Bool { self == .png || self == .jpeg }

  /// How many bytes at the start of a file decide its format.
  static let signatureLength = 16

  /// The format of a file that begins with `bytes`, or nil when it is no image we know.
  public init?(startingWith bytes: some Collection<UInt8>) {
    let start = Array(bytes.prefix(Self.signatureLength))
    func has(_ signature: [UInt8], at offset: Int = 0) -> Bool { start.dropFirst(offset).starts(with: signature) }
    func has(_ text: StaticString, at offset: Int = 0) -> Bool { has(Array("\(text)".utf8), at: offset) }

    if has([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if has([0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if has("GIF87a") || has("GIF89a") {
      self = .gif
    } else if has("RIFF") && has("WEBP", at: 8) {
      self = .webP
    } else if has("ftypavif", at: 4) || has("ftypavis", at: 4) {
      self = .avif
    } else if ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].contains(where: {
      has(Array("ftyp\($0)".utf8), at: 4)
    }) {
      self = .heif
    } else if has("BM") && has([0, 0, 0, 0], at: 6) {
      self = .bmp
    } else if has([0x49, 0x49, 0x2A, 0]) || has([0x4D, 0x4D, 0, 0x2A]) || has([0x49, 0x49, 0x2B, 0]) {
      self = .tiff
    } else if has([0xFF, 0x0A]) || has([0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]) {
      self = .jpegXL
    } else if has([0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]) || has([0xFF, 0x4F, 0xFF, 0x51]) {
      self = .jpeg2000
    } else if has("8BPS") {
      self = .photoshop
    } else if has([0, 0, 1, 0]) {
      self = .icon
    } else if has("qoif") {
      self = .quiteOK
    } else if start.count > 2, start[0] == UInt8(ascii: "P"), (0x31...0x37).contains(start[1]),
      [0x09, 0x0A, 0x0D, 0x20].contains(start[2])
    {
      self = .portableAnymap
    } else {
      return nil
    }
  }

  /// The format of the file at `url`, or nil when it is no image we know.
  ///
  /// Throws `ImageError.unreadable`.
  public init?(contentsOf url: URL) throws(ImageError) {
    let start: Data
    do {
      let file = try FileHandle(forReadingFrom: url)
      start = try file.read(upToCount: Self.signatureLength) ?? Data()
      try file.close()
    } catch {
      throw .unreadable(file: url.path(percentEncoded: false), reason: error.localizedDescription)
    }
    self.init(startingWith: start)
  }
}
