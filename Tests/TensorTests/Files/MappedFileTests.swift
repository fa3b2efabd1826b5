import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Files that are read from end to end do not stay in this process's memory.
@Suite struct MappedFileTests {
  /// How many bytes of a file count as this process's memory.
  private func residentByteCount(of url: URL) throws -> Int {
    let handle = try FileHandle(forReadingFrom: URL(filePath: "/proc/self/smaps"))
    let maps = String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n")
    let header = try #require(maps.firstIndex { $0.hasSuffix(url.path(percentEncoded: false)) })
    let line = try #require(maps[header...].first { $0.hasPrefix("Rss:") })
    return try #require(Int(line.split(separator: " ")[1])) * 1024
  }

  /// - Parameter size: the bytes that are read at a time.
  @Test(arguments: [512, 100_000, 5_000_000])
  func pagesAreGivenBack(_ size: Int) throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "file")
    try Data(repeating: 7, count: 20_000_000).write(to: url)
    let file = try MappedFile(url)
    for start in stride(from: 0, to: file.byteCount, by: size) {
      let range = start..<min(start + size, file.byteCount)
      let sum = file.withBytes(range) { $0.reduce(0) { $0 + Int($1) } }
      #expect(sum == 7 * range.count)
    }
    let resident = try withExtendedLifetime(file) { try residentByteCount(of: url) }
    #expect(resident <= 2 << 20)
  }
}
