import DreamBooth
import Foundation

/// Places to write to, looked at before the work begins. Folders that are missing on the way to them are made later.
enum OutputPath {
  /// Makes sure that a file may come to stand at a path.
  static func requireFile(_ path: String) throws(FileError) {
    let place = absolute(path)
    guard !isFolder(place) else { throw FileError(path: path, action: .write, code: EISDIR) }
    try requireFolder(path, at: (place as NSString).deletingLastPathComponent)
  }

  /// Makes sure that a folder is, or may come to stand, at a path.
  static func requireFolder(_ path: String) throws(FileError) { try requireFolder(path, at: absolute(path)) }

  /// Makes sure that nothing is at a path that could get lost.
  static func requireFree(_ path: String) throws {
    let place = absolute(path)
    guard FileManager.default.fileExists(atPath: place) else { return }
    guard isFolder(place), try FileManager.default.contentsOfDirectory(atPath: place).isEmpty else {
      throw PlaceTaken(path: path)
    }
  }

  /// Makes sure that a file of tensors may come to stand at a path where there is none yet.
  ///
  /// - Parameter ending: that by which programs know what to do with it.
  static func requireNewFile(_ path: String, ending: String) throws {
    guard (path as NSString).pathExtension.lowercased() == ending else { throw WrongEnding(path: path, ending: ending) }
    try requireFile(path)
    try requireFree(path)
  }

  private static func requireFolder(_ path: String, at place: String) throws(FileError) {
    var existing = place
    while !FileManager.default.fileExists(atPath: existing), existing != "/" {
      existing = (existing as NSString).deletingLastPathComponent
    }
    guard isFolder(existing) else { throw FileError(path: path, action: .write, code: ENOTDIR) }
    guard FileManager.default.isWritableFile(atPath: existing) else {
      throw FileError(path: path, action: .write, code: EACCES)
    }
  }

  private static func absolute(_ path: String) -> String {
    // Without a slash at the end, which the system would take for a promise that the file is a folder.
    (URL(filePath: path).path(percentEncoded: false) as NSString).resolvingSymlinksInPath
  }

  private static func isFolder(_ path: String) -> Bool {
    // What does not exist has no attributes.
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return attributes?[.type] as? FileAttributeType == .typeDirectory
  }
}

/// A file would get a name by which other programs take it for something else.
struct WrongEnding: Error, CustomStringConvertible {
  /// The file.
  let path: String
  /// What its name must end in.
  let ending: String

  /// One line that says what to do.
  var description: String { "\(path) must end in .\(ending), by which programs know what the file is" }
}

/// Something stands where a new file or folder was to be written.
struct PlaceTaken: Error, CustomStringConvertible {
  /// The place.
  let path: String

  /// One line that says what to do.
  var description: String { "\(path) exists already and is left as it is; choose another place" }
}
