import Foundation
import Glibc

/// A file whose bytes are read from disk as they are touched, without being copied to the heap.
final class MappedFile: Sendable {
  private let address: UInt
  let byteCount: Int

  /// Maps a whole file.
  init(_ url: URL) throws(FileError) {
    let path = url.path(percentEncoded: false)
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, action: .read, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path: path, action: .read, code: errno) }
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG else { throw FileError(path: path, action: .read, code: kind == S_IFDIR ? EISDIR : ENODEV) }
    byteCount = Int(status.st_size)
    guard byteCount > 0 else {
      address = 0
      return
    }
    guard let mapped = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), mapped != MAP_FAILED else {
      throw FileError(path: path, action: .read, code: errno)
    }
    address = UInt(bitPattern: mapped)
  }

  deinit {
    if byteCount > 0 { munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount) }
  }

  /// Calls `body` with the bytes of a range of the file.
  func withBytes<Result>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    require(
      range.lowerBound >= 0 && range.upperBound <= byteCount, "MappedFile: \(range) is outside \(byteCount) bytes")
    let start = UnsafeRawPointer(bitPattern: address).map { $0 + range.lowerBound }
    return try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : range.count))
  }
}
