import Foundation
import TestSupport
import Testing

@testable import Tensor

/// What pickles of old releases hold, and what Python allows though PyTorch does not write it.
@Suite struct OldPickleTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file whose storage `0` has the numbers 1 and 2.
  private func open(_ value: [UInt8]) throws -> TorchFile {
    let url = folder.url.appending(path: "model.ckpt")
    let archive = StoredZip.archive([
      StoredZip.Entry("m/data.pkl", Pickle.whole(value)),
      StoredZip.Entry("m/data/0", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]),
    ])
    try Data(archive).write(to: url)
    return try TorchFile(url)
  }

  private func part(_ first: Int, _ count: Int) -> [[UInt8]] {
    [Pickle.text("7"), Pickle.integer(first), Pickle.integer(count)]
  }

  @Test func storagesMayBePartsOfOthers() throws {
    let storage = Pickle.storage(part: part(1, 1))
    let file = try open(Pickle.dictionary([("a", Pickle.tensor(storage: storage, shape: [1], strides: [1]))]))
    #expect(try file.floats("a") == [2])
    for (first, count) in [(1, 2), (3, 0), (-1, 1), (0, -1), (1, Int.max)] {
      let storage = Pickle.storage(part: part(first, count))
      #expect(throws: TorchFileError.self, "\(first), \(count)") {
        try open(Pickle.dictionary([("a", Pickle.tensor(storage: storage, shape: [1], strides: [1]))]))
      }
    }
  }

  @Test func storagesMayComeFromAGPU() throws {
    let storage = Pickle.storage("FloatStorage", of: "torch.cuda")
    let file = try open(Pickle.dictionary([("a", Pickle.tensor(storage: storage, shape: [2], strides: [1]))]))
    #expect(try file.floats("a") == [1, 2])
    #expect(file.ignored == [])
  }

  @Test func theFirstFunctionForTensorsIsKnown() throws {
    let tensor = Pickle.tensor(shape: [2], strides: [1], function: "_rebuild_tensor")
    #expect(try open(Pickle.dictionary([("a", tensor)])).floats("a") == [1, 2])
  }

  /// Python 2 made ordered dictionaries from a list of pairs, and had one type for text and bytes.
  @Test func dictionariesMayBeMadeFromPairs() throws {
    let key: [UInt8] = [0x55, 1, UInt8(ascii: "a")]
    let pairs = Pickle.list([
      Pickle.list([key, Pickle.integer(5)]), Pickle.tuple([Pickle.text("b"), Pickle.integer(6)]),
    ])
    let file = try open(Pickle.call(Pickle.global("collections", "OrderedDict"), [pairs]))
    #expect(file.root.dictionary?.keys == ["a", "b"])
    #expect(file.root["a"]?.integer == 5 && file.root["b"]?.integer == 6)
  }

  @Test func ofTwoValuesForAKeyTheLaterCounts() throws {
    let values = ["a", "b", "a"].enumerated().map { ($1, Pickle.integer($0)) }
    let file = try open(Pickle.dictionary(values))
    #expect(file.root.dictionary?.keys == ["a", "b"])
    #expect(file.root["a"]?.integer == 2)
  }
}
