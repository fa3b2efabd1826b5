import Foundation

/// Files that are read whole, such as configurations and vocabularies, and so must not be of any size.
package enum SmallFile {
  /// The contents of a file.
  ///
  /// Whatever is larger than `byteLimit`, or no plain file and so of no known size, is refused before it is read.
  ///
  /// - Throws: `FileError` where the file cannot be read, `FileTooLargeError` where it is larger.
  package static func read(_ url: URL, byteLimit: Int) throws -> Data {
    let file = try MappedFile(url)
    guard file.byteCount <= byteLimit else {
      throw FileTooLargeError(path: url.path(percentEncoded: false), byteCount: file.byteCount, limit: byteLimit)
    }
    return file.withBytes(0..<file.byteCount) { Data($0) }
  }
}

/// A file is larger than any of its kind, so that it is not what its name says.
public struct FileTooLargeError: Error, Equatable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// Its size.
  public let byteCount: Int
  /// The size that it may have.
  public let limit: Int

  /// What is wrong, without the file's name.
  public var reason: String { "it has \(byteCount) bytes, more than the \(limit) that are read of such a file" }

  /// One line that names the file.
  public var description: String { "\(path) is refused: \(reason)" }
}
