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

  @Test func replacesAFileByAFolderAndBack() throws {
    let parent = try TemporaryFolder()
    let target = parent.url.appending(path: "target")
    try write("old", "target", in: parent.url)
    try AtomicFolder.write(to: target) { try write("new", "a", in: $0) }
    #expect(try String(contentsOf: target.appending(path: "a"), encoding: .utf8) == "new")
    try write("a file", "new", in: parent.url)
    try AtomicFolder.replace(target, with: parent.url.appending(path: "new"))
    #expect(try String(contentsOf: target, encoding: .utf8) == "a file")
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent.url.path()) == ["target"])
  }

  /// The way of file systems that cannot exchange two names.
  @Test func replacesInTwoStepsWhatCannotBeExchanged() throws {
    let parent = try TemporaryFolder()
    let (target, new) = (parent.url.appending(path: "model"), parent.url.appending(path: "new"))
    try AtomicFolder.write(to: target) { try write("old", "a", in: $0) }
    try AtomicFolder.write(to: new) { try write("new", "b", in: $0) }
    try AtomicFolder.moveAsideAndReplace(new.path(), target.path())
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path()) == ["b"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent.url.path()) == ["model"])
    // Without anything to put there, the old folder comes back.
    #expect(throws: FileError.self) { try AtomicFolder.moveAsideAndReplace(new.path(), target.path()) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path()) == ["b"])
  }

  @Test func whatAKillLeftAsideGoesBackToItsPlace() throws {
    let parent = try TemporaryFolder()
    let (target, aside) = (parent.url.appending(path: "model"), parent.url.appending(path: ".replaced-model"))
    try AtomicFolder.write(to: aside) { try write("old", "a", in: $0) }
    try AtomicFolder.removeRemains(in: parent.url)
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path()) == ["a"])
    try AtomicFolder.write(to: aside) { try write("older", "b", in: $0) }
    try AtomicFolder.removeRemains(in: parent.url)
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path()) == ["a"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent.url.path()) == ["model"])
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
