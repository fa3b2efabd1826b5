/// What can be wrong with an image file; each case names the file.
public enum ImageError: Error, Hashable, Sendable {
  /// The file could not be opened or read.
  case unreadable(file: String, reason: String)
  /// The file could not be written; whatever stood there before is untouched.
  case unwritable(file: String, reason: String)
  /// The file has no bytes.
  case empty(file: String)
  /// The content is not that of any image format we know.
  case notAnImage(file: String)
  /// The content is an image, but neither PNG nor JPEG.
  case unsupportedFormat(file: String, format: ImageFormat)
  /// The picture claims more pixels than the limit allows.
  case tooLarge(file: String, width: Int, height: Int, maximumPixels: Int)
  /// One side of the picture is many times longer than the other.
  case tooNarrow(file: String, width: Int, height: Int, maximumAspectRatio: Int)
  /// The file ends before its last pixel or chunk.
  case truncated(file: String, format: ImageFormat)
  /// The content breaks the rules of its format.
  case corrupt(file: String, format: ImageFormat, reason: String)
}

extension ImageError: CustomStringConvertible {
  /// One sentence that says what is wrong and what to do.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): cannot be read (\(reason)); check the path and its permissions"
    case .unwritable(let file, let reason):
      "\(file): cannot be written (\(reason)); check the folder, its permissions and the free space"
    case .empty(let file):
      "\(file): is empty; copy or download it again"
    case .notAnImage(let file):
      "\(file): is not an image; remove it or replace it by a PNG or JPEG file"
    case .unsupportedFormat(let file, let format):
      "\(file): is a \(format.rawValue) file, which is not supported; convert it to PNG or JPEG"
    case .tooLarge(let file, let width, let height, let maximumPixels):
      "\(file): claims \(width)x\(height) pixels, more than the limit of \(maximumPixels); scale it down"
    case .tooNarrow(let file, let width, let height, let maximumAspectRatio):
      "\(file): has \(width)x\(height) pixels, one side more than \(maximumAspectRatio) times the other; crop it"
    case .truncated(let file, let format):
      "\(file): the \(format.rawValue) file ends early; copy or download it again"
    case .corrupt(let file, let format, let reason):
      "\(file): the \(format.rawValue) file is damaged (\(reason)); export it again"
    }
  }
}
