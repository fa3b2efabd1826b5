import Foundation
import Glibc
import Synchronization

/// A file whose bytes are read from disk as they are touched, without being copied to the heap.
final class MappedFile: Sendable {
  private let address: UInt
  let byteCount: Int
  /// How much was read since the pages were last given back.
  private let byteCountRead = Mutex(0)

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

  /// How much is read before the pages are given back.
  private static let keptByteCount = 1 << 20

  /// Calls `body` with the bytes of a range of the file.
  ///
  /// Pages that were read do not count as this process's memory for long, so that a file larger than the memory can be
  /// read from end to end; the system's own copy of them stays.
  func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    require(
      range.lowerBound >= 0 && range.upperBound <= byteCount, "MappedFile: \(range) is outside \(byteCount) bytes")
    let start = UnsafeRawPointer(bitPattern: address).map { $0 + range.lowerBound }
    defer { didRead(range.count) }
    return try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : range.count))
  }

  /// Takes all pages of the file out of this process's memory when enough was read. They come back when touched again.
  ///
  /// All, since the system maps the neighbours of a page that is touched as well: given back range by range, those
  /// would add up to a tenth of a model.
  private func didRead(_ count: Int) {
    let isDue = byteCountRead.withLock { read in
      read += count
      guard read >= Self.keptByteCount else { return false }
      read = 0
      return true
    }
    guard isDue, let start = UnsafeMutableRawPointer(bitPattern: address) else { return }
    madvise(start, byteCount, MADV_DONTNEED)
  }
}
