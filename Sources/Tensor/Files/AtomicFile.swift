import Foundation
import Glibc

/// A file that comes into being whole or not at all.
///
/// The bytes go to a hidden temporary file in the same folder. `commit` flushes it to the disk and renames it, so at
/// every moment, a power cut included, the path holds either what it held before or the whole new content. Without
/// `commit` the temporary file disappears and the path is left alone.
public struct AtomicFile: ~Copyable {
  private let path: String
  private let folder: String
  private let temporaryPath: String
  private let descriptor: Int32
  private var isCommitted = false

  /// Begins a new file that will stand at `path`.
  public init(path: String) throws(FileError) {
    self.path = path
    folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
    temporaryPath = "\(folder).\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(path: path, action: .write, code: errno) }
  }

  /// Adds `bytes` at the end.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written >= 0 else { throw FileError(path: path, action: .write, code: errno) }
      rest = rest.dropFirst(written)
    }
  }

  /// Adds `bytes` at the end.
  public mutating func append(_ bytes: [UInt8]) throws(FileError) {
    try bytes.span.bytes.withUnsafeBytes { bytes throws(FileError) in try append(bytes) }
  }

  /// Replaces bytes that were added before, beginning at `offset`.
  mutating func overwrite(_ bytes: [UInt8], at offset: Int) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let written = bytes[done...].withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset + done))
      }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw FileError(path: path, action: .write, code: errno) }
      done += written
    }
  }

  /// Puts the file in its place.
  public mutating func commit() throws(FileError) {
    guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else {
      throw FileError(path: path, action: .write, code: errno)
    }
    isCommitted = true
    // The new name itself is only safe once the folder is on the disk. Some file systems cannot flush a folder; the
    // file is in its place all the same.
    let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folderDescriptor >= 0 {
      fsync(folderDescriptor)
      close(folderDescriptor)
    }
  }

  /// Writes a whole file at once.
  public static func write(_ bytes: [UInt8], to url: URL) throws(FileError) {
    var file = try AtomicFile(path: url.path(percentEncoded: false))
    try file.append(bytes)
    try file.commit()
  }

  /// Copies a whole file.
  public static func copy(_ source: URL, to url: URL) throws(FileError) {
    let original = try MappedFile(source)
    var file = try AtomicFile(path: url.path(percentEncoded: false))
    try original.withBytes(0..<original.byteCount) { bytes throws(FileError) in try file.append(bytes) }
    try file.commit()
  }

  deinit {
    close(descriptor)
    if !isCommitted { unlink(temporaryPath) }
  }
}

/// What the operating system refused to do with a file.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was tried.
  public enum Action: String, Sendable {
    case read
    case write
  }

  /// The file.
  public let path: String
  /// What was tried.
  public let action: Action
  /// The system's `errno`.
  public let code: Int32

  /// The error of a failed call.
  public init(path: String, action: Action, code: Int32) {
    self.path = path
    self.action = action
    self.code = code
  }

  /// The error of a failed call of Foundation, which wraps the system's code.
  public init(path: String, action: Action, underlying error: any Error) {
    let wrapped = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
    let system = [wrapped, error].compactMap { $0 as NSError? }.first { $0.domain == NSPOSIXErrorDomain }
    self.init(path: path, action: action, code: system.map { Int32($0.code) } ?? EACCES)
  }

  /// The same of a file that was to be moved elsewhere, named by where it was to go.
  package func moved(from temporary: String, to target: String) -> FileError {
    guard path.hasPrefix(temporary) else { return self }
    return FileError(path: target + path.dropFirst(temporary.count), action: action, code: code)
  }

  /// The system's words for the reason, such as "No space left on device".
  public var reason: String { String(cString: strerror(code)) }

  /// One sentence that names the file and the reason.
  public var description: String {
    switch action {
    case .read: "\(path): cannot be read (\(reason)); check the path and its permissions"
    case .write: "\(path): cannot be written (\(reason)); check the folder, its permissions and the free space"
    }
  }
}
