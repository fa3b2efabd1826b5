import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Files that are read whole have a size that is known before.
@Suite struct SmallFileTests {
  private let home: TemporaryFolder
  private var url: URL { home.url.appending(path: "a file.json") }

  init() throws { home = try TemporaryFolder() }

  @Test(arguments: [0, 1, 10])
  func readsFilesUpToTheLimit(_ count: Int) throws {
    let data = Data((0..<count).map { UInt8($0) })
    try data.write(to: url)
    #expect(try SmallFile.read(url, byteLimit: 10) == data)
  }

  @Test func refusesLargerOnes() throws {
    try Data(count: 11).write(to: url)
    let error = #expect(throws: FileTooLargeError.self) { try SmallFile.read(url, byteLimit: 10) }
    #expect(error == FileTooLargeError(path: url.path(percentEncoded: false), byteCount: 11, limit: 10))
    #expect(error?.description.contains("a file.json is refused: it has 11 bytes") == true)
  }

  @Test func refusesWhatHasNoSize() throws {
    #expect(throws: FileError.self) { try SmallFile.read(home.url, byteLimit: 10) }
    #expect(throws: FileError.self) { try SmallFile.read(URL(filePath: "/dev/zero"), byteLimit: 10) }
    #expect(throws: FileError.self) { try SmallFile.read(url, byteLimit: 10) }
  }
}
