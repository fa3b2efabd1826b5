import Foundation
import TestSupport
import Testing

@testable import Tensor

@Suite struct AtomicFolderTests {
  struct Refusal: Error {}

  private func write(_ text: String, _ name: String, in folder: URL) throws {
    var file = try AtomicFile(path: folder.appending(path: name).path())
    try file.append(Array(text.utf8))
    try file.commit()
  }

  @Test func replacesWhatStoodThere() throws {
    let parent = try TemporaryFolder()
    let target = parent.url.appending(path: "model")
    try AtomicFolder.write(to: target) { try write("old", "a", in: $0) }
    try AtomicFolder.write(to: target) { try write("new", "b", in: $0) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path()) == ["b"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent.url.path()) == ["model"])
  }

  @Test func leavesTheOldFolderWhenFillingFails() throws {
    let parent = try TemporaryFolder()
    let target = parent.url.appending(path: "model")
    try AtomicFolder.write(to: target) { try write("old", "a", in: $0) }
    #expect(throws: Refusal.self) {
      try AtomicFolder.write(to: target) {
        try write("half", "b", in: $0)
        throw Refusal()
      }
    }
    #expect(try String(contentsOf: target.appending(path: "a"), encoding: .utf8) == "old")
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent.url.path()) == ["model"])
  }

  @Test func removesWhatAKilledWriteLeftAndNothingElse() throws {
    let parent = try TemporaryFolder()
    let target = parent.url.appending(path: "model")
    try AtomicFolder.write(to: target) { temporary in
      try write("half", "a", in: temporary)
      // What a kill at this moment would leave.
      try FileManager.default.copyItem(at: temporary, to: parent.url.appending(path: ".unfinished-1.tmp"))
    }
    try write("kept", ".hidden.tmp", in: parent.url)
    try AtomicFolder.removeRemains(in: parent.url)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: parent.url.path()).sorted() == [".hidden.tmp", "model"])
  }

  @Test func namesThePathItCannotWrite() throws {
    let parent = try TemporaryFolder()
    try write("a file", "file", in: parent.url)
    let error = #expect(throws: FileError.self) {
      try AtomicFolder.write(to: parent.url.appending(path: "file/model")) { _ in }
    }
    #expect(error?.path.hasSuffix("file/model") == true)
  }
}
