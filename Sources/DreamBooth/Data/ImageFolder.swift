import Foundation

/// The training pictures of a folder, in the same order on every machine.
///
/// What counts is a file's content: a JPEG called `photo.png` is read as JPEG. Files that commonly lie beside pictures
/// are passed over and named in `skipped`; a file that was meant to be a picture but cannot be one is an error.
public struct ImageFolder: Sendable {
  /// A file of the folder that is not used for training.
  public struct SkippedFile: Sendable, Hashable, CustomStringConvertible {
    /// The file's name within the folder.
    public let name: String
    /// Why it is not used.
    public let reason: String

    /// The name and the reason, for a log.
    public var description: String { "\(name) (\(reason))" }
  }

  /// The folder.
  public let url: URL
  /// The names of the pictures within the folder, sorted by their bytes.
  public let names: [String]
  /// The other files, sorted by their bytes.
  public let skipped: [SkippedFile]

  /// Lists the pictures of the folder at `url`; of each file only the first bytes are read.
  ///
  /// Throws `ImageFolderError` for a folder that is missing, unreadable or without pictures, and `ImageError` for a
  /// file that is a picture of an unsupported format, or is called one without being one.
  public init(_ url: URL) throws {
    var names: [String] = []
    var skipped: [SkippedFile] = []
    for name in try Self.list(url) {
      if let reason = try Self.reasonToSkip(name, url.appending(path: name)) {
        skipped.append(SkippedFile(name: name, reason: reason))
      } else {
        names.append(name)
      }
    }
    guard !names.isEmpty else {
      throw ImageFolderError.noImages(path: url.path(percentEncoded: false), skipped: skipped)
    }
    (self.url, self.names, self.skipped) = (url, names, skipped)
  }

  /// The number of pictures.
  public var count: Int { names.count }

  /// Decodes a picture, upright and with transparency composited on `background`.
  ///
  /// Throws `ImageError`.
  public func image(at index: Int, background: Color = .white) throws(ImageError) -> Image {
    try Image(contentsOf: url(at: index), background: background)
  }

  /// The file of a picture.
  public func url(at index: Int) -> URL { url.appending(path: names[index]) }

  // MARK: Listing

  private static func list(_ folder: URL) throws(ImageFolderError) -> [String] {
    let path = folder.path(percentEncoded: false)
    do {
      guard try fileType(folder) == .typeDirectory else { throw ImageFolderError.notAFolder(path: path) }
      let names = try FileManager.default.contentsOfDirectory(atPath: path)
      // String's own order depends on Unicode rules; bytes are the same everywhere.
      return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    } catch let error as ImageFolderError {
      throw error
    } catch CocoaError.fileReadNoSuchFile {
      throw .missing(path: path)
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
  }

  /// The type of the file, or of what a symbolic link leads to.
  private static func fileType(_ url: URL) throws -> FileAttributeType? {
    // Without the slash, which the system would take for a promise that the file is a folder.
    let target = (url.path(percentEncoded: false) as NSString).resolvingSymlinksInPath
    let type = try FileManager.default.attributesOfItem(atPath: target)[.type] as? FileAttributeType
    // A link that is still one after it was followed leads nowhere.
    guard type != .typeSymbolicLink else { throw CocoaError(.fileReadNoSuchFile) }
    return type
  }

  private static func reasonToSkip(_ name: String, _ file: URL) throws(ImageError) -> String? {
    let path = file.path(percentEncoded: false)
    let nameExtension = name.lastIndex(of: ".").map { name[$0...].dropFirst().lowercased() } ?? ""
    if name.hasPrefix(".") { return "hidden file" }
    if systemFiles.contains(name.lowercased()) { return "file of the operating system" }
    do {
      switch try fileType(file) {
      case FileAttributeType.typeRegular: break
      case FileAttributeType.typeDirectory: return "folder"
      default: return "not a regular file"
      }
    } catch {
      throw .unreadable(file: path, reason: error.localizedDescription)
    }
    if captionExtensions.contains(nameExtension) { return "text" }
    if let format = try ImageFormat(contentsOf: file) {
      guard format.isSupported else { throw .unsupportedFormat(file: path, format: format) }
      return nil
    }
    if imageExtensions.contains(nameExtension) { throw .notAnImage(file: path) }
    return "not an image"
  }

  private static let systemFiles: Set = ["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"]
  private static let captionExtensions: Set = ["txt", "caption", "json", "jsonl", "csv", "md", "yaml", "yml", "toml"]
  private static let imageExtensions: Set = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff", "jxl",
  ]
}

/// Why a folder cannot serve as a set of training pictures.
public enum ImageFolderError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is nothing at the path.
  case missing(path: String)
  /// The path is a file.
  case notAFolder(path: String)
  /// The folder cannot be listed.
  case unreadable(path: String, reason: String)
  /// The folder holds no picture.
  case noImages(path: String, skipped: [ImageFolder.SkippedFile])

  /// One sentence that says what is wrong and what to do.
  public var description: String {
    switch self {
    case .missing(let path):
      return "\(path): there is no such folder; check the path"
    case .notAFolder(let path):
      return "\(path): is a file; give the folder that holds the pictures"
    case .unreadable(let path, let reason):
      return "\(path): cannot be listed (\(reason)); check its permissions"
    case .noImages(let path, let skipped):
      let others = skipped.isEmpty ? "is empty" : "holds only \(skipped.map(\.description).joined(separator: ", "))"
      return "\(path): \(others); put PNG or JPEG pictures into it"
    }
  }
}
