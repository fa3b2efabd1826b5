import Foundation
import Tensor
import Testing

@Suite struct AtomicFileTests {
  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "atomic-file-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
  }

  @Test func replacesTheOldContentOnlyOnCommit() throws {
    let path = "\(folder)/weights"
    try Data([1, 2]).write(to: URL(fileURLWithPath: path))
    var file = try AtomicFile(path: path)
    try file.append([3])
    try file.append([4, 5])
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([1, 2]))
    try file.commit()
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([3, 4, 5]))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["weights"])
  }

  @Test func leavesNothingBehindWithoutCommit() throws {
    func abandon() throws {
      var file = try AtomicFile(path: "\(folder)/weights")
      try file.append([1])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
    }
    try abandon()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
  }

  @Test func namesTheFileThatCannotBeWritten() {
    #expect(throws: FileError(path: "\(folder)/missing/weights", action: .write, code: ENOENT)) {
      _ = try AtomicFile(path: "\(folder)/missing/weights")
    }
    let below = URL(filePath: "/dev/null/folder")
    #expect(throws: FileError(path: "/dev/null/folder", action: .write, code: ENOTDIR)) {
      try AtomicFolder.makeIfMissing(below)
    }
    #expect("\(FileError(path: "x", action: .write, code: ENOSPC))".contains("No space left on device"))
  }
}
