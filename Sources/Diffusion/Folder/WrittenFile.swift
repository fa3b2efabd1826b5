import Foundation

/// A file of tensors that has just been written.
enum WrittenFile {
  /// Writes a file that takes its place only after it was read back and compared bit by bit with what it should hold.
  ///
  /// - Parameters:
  ///   - report: told of each tensor when it has been compared; what it throws ends the comparison.
  ///   - write: writes a file in the same folder.
  /// - Throws: `WrittenFileError` where they differ, `FileError`, or why either cannot be read. Whatever stood at the
  ///   destination is then unharmed.
  static func place(
    at destination: URL, holding tensors: [TensorItem], report: (TensorItem) throws -> Void = { _ in },
    write: (_ temporary: URL) throws -> Void
  ) throws {
    let folder = destination.deletingLastPathComponent()
    let temporary = folder.appending(path: ".unfinished-\(destination.lastPathComponent).tmp")
    try AtomicFolder.makeIfMissing(folder)
    do {
      try write(temporary)
      try check(temporary, holds: tensors, report: report)
    } catch {
      // The temporary file goes if it still can; the first error is the one to report.
      _ = try? FileManager.default.removeItem(at: temporary)
      let (place, target) = (temporary.path(percentEncoded: false), destination.path(percentEncoded: false))
      throw (error as? FileError)?.moved(from: place, to: target) ?? error
    }
    try AtomicFolder.replace(destination, with: temporary)
  }

  /// Reads a file back and compares it bit by bit with what was to be written.
  ///
  /// - Parameter report: told of each tensor when it has been compared; what it throws ends the comparison.
  /// - Throws: `WrittenFileError` where they differ, or why either cannot be read.
  static func check(
    _ url: URL, holds tensors: [TensorItem], report: (TensorItem) throws -> Void = { _ in }
  ) throws {
    let file = try TensorFileFormat.open(url)
    for tensor in tensors {
      guard let stored = file.entries[tensor.name], try tensor.isStored(as: stored) else {
        throw WrittenFileError(file: file.path, tensor: tensor.name)
      }
      try report(tensor)
    }
    guard file.entries.count == tensors.count else {
      let unexpected = Set(file.entries.keys).subtracting(tensors.map(\.name)).min() ?? ""
      throw WrittenFileError(file: file.path, tensor: unexpected)
    }
  }
}

/// A file does not hold what was written to it.
public struct WrittenFileError: Error, Equatable, CustomStringConvertible {
  /// The file.
  public let file: String
  /// The first tensor that differs.
  public let tensor: String

  /// One line that says what to do.
  public var description: String {
    "\(file) was written and reads back differently (first at \(tensor)); the disk or the memory is at fault, "
      + "so write to another disk and compare again"
  }
}
