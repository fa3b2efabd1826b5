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

  /// Ranges from this size on are given back to the system once they were read.
  private static let largeRange = 1 << 20

  /// Calls `body` with the bytes of a range of the file.
  ///
  /// The pages of a large range do not count as this process's memory afterwards, so that a file larger than the memory
  /// can be read from end to end; the system's own copy of them stays.
  func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    require(
      range.lowerBound >= 0 && range.upperBound <= byteCount, "MappedFile: \(range) is outside \(byteCount) bytes")
    let start = UnsafeRawPointer(bitPattern: address).map { $0 + range.lowerBound }
    defer { if range.count >= Self.largeRange { forget(range) } }
    return try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : range.count))
  }

  /// Takes the whole pages of a range out of this process's memory. They are read again when they are touched again.
  private func forget(_ range: Range<Int>) {
    let page = Int(getpagesize())
    let (first, last) = ((range.lowerBound + page - 1) / page * page, range.upperBound / page * page)
    guard first < last, let start = UnsafeMutableRawPointer(bitPattern: address + UInt(first)) else { return }
    madvise(start, last - first, MADV_DONTNEED)
  }
}
