import Foundation

/// A file of tensors that has just been written.
enum WrittenFile {
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
