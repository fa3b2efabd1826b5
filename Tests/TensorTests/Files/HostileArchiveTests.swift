import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Zip archives that lie about themselves.
@Suite struct HostileArchiveTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// `{"a": tensor of two numbers}`
  private let pickle = Pickle.dictionary([("a", Pickle.tensor(shape: [2], strides: [1]))])

  private var entries: [StoredZip.Entry] {
    [
      StoredZip.Entry("m/data.pkl", Pickle.whole(pickle)),
      StoredZip.Entry("m/data/0", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]),
      StoredZip.Entry("m/version", Array("3\n".utf8)),
    ]
  }

  private func open(_ bytes: [UInt8]) throws -> TorchFile {
    let url = folder.url.appending(path: "model.ckpt")
    try Data(bytes).write(to: url)
    return try TorchFile(url)
  }

  private func problem(_ entries: [StoredZip.Entry], countsMissing: Int = 0) -> TorchFileError.Problem? {
    #expect(throws: TorchFileError.self) {
      try open(StoredZip.archive(entries, countsMissing: countsMissing))
    }?.problem
  }

  @Test func anHonestArchiveIsRead() throws {
    #expect(try open(StoredZip.archive(entries)).floats("a") == [1, 2])
  }

  @Test func entriesMustNotOverlap() {
    // The third entry's header stands within the second one's bytes.
    var nested = entries
    let inner = StoredZip.archive([StoredZip.Entry("m/version", [])])
    nested[1].bytes += inner
    nested[1].packedSize += UInt32(inner.count)
    nested[1].size += UInt32(inner.count)
    nested[2] = StoredZip.Entry("m/version", [])
    nested[2].misplacement = -Int32(inner.count)
    guard case .damagedArchive(let reason)? = problem(nested) else { return }
    #expect(reason.contains("overlaps"))
  }

  @Test func entriesMustStandWhereTheDirectorySays() {
    for misplacement in [-1, 1, 1000, Int32.max] as [Int32] {
      var moved = entries
      moved[1].misplacement = misplacement
      guard case .damagedArchive? = problem(moved) else {
        Issue.record("moved by \(misplacement)")
        continue
      }
    }
  }

  @Test func sizesMustBeTrue() {
    for (packed, size) in [(8, 9), (9, 8), (.max, .max), (0x7fff_ffff, 8), (8, 0xffff_fff0)] as [(UInt32, UInt32)] {
      var lying = entries
      (lying[1].packedSize, lying[1].size) = (packed, size)
      guard case .damagedArchive? = problem(lying) else {
        Issue.record("sizes of \(packed) and \(size)")
        continue
      }
    }
  }

  @Test func shortStoragesAreNoticed() {
    var short = entries
    short[1] = StoredZip.Entry("m/data/0", [0, 0, 0x80, 0x3f])
    guard case .damagedTensor(let reason)? = problem(short) else { return }
    #expect(reason.contains("too few"))
    #expect(problem([entries[0], entries[2]]) == .missingEntry("m/data/0"))
  }

  @Test func namesMustBeUnique() {
    #expect(problem(entries + [entries[1]]) == .damagedArchive("two entries are called 'm/data/0'"))
    var other = entries[0]
    other.name = "n/data.pkl"
    #expect(problem(entries + [other]) == .damagedArchive("it has 2 entries called data.pkl"))
    #expect(problem([entries[1], entries[2]]) == .missingEntry("data.pkl"))
  }

  @Test func countsMustBeTrue() {
    for difference in [1, -1, 1000] {
      guard case .damagedArchive? = problem(entries, countsMissing: difference) else {
        Issue.record("\(difference) more")
        continue
      }
    }
  }

  /// What an archive would grow into when it is unpacked does not matter: nothing is.
  @Test func packedEntriesAreNotUnpacked() {
    var bomb = entries
    bomb[1].method = 8
    bomb[1].size = 0xffff_0000
    #expect(problem(bomb) == .packedEntry("m/data/0"))
    var encrypted = entries
    encrypted[0].flags = 1
    #expect(problem(encrypted) == .packedEntry("m/data.pkl"))
  }

  @Test func everyTruncationIsNoticed() throws {
    let whole = StoredZip.archive(entries)
    for length in 0..<whole.count {
      let error = #expect(throws: (any Error).self) { try open(Array(whole[..<length])) }
      #expect(error is TorchFileError || error is TensorFileError, "\(length) bytes")
    }
    // What stands behind the end is no part of an archive.
    #expect(throws: TorchFileError.self) { try open(whole + [0]) }
  }
}
