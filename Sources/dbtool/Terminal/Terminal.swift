import Foundation

/// A stream that people read.
struct Terminal: Sendable {
  static let standardError = Terminal(descriptor: STDERR_FILENO)
  static let standardOutput = Terminal(descriptor: STDOUT_FILENO)

  private let descriptor: Int32

  /// Whether somebody is watching, so that a line may be rewritten in place.
  var isInteractive: Bool { isatty(descriptor) == 1 }

  /// Writes at once, without buffering.
  func write(_ text: String) {
    FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(Data(text.utf8))
  }
}
