import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Pickles that Python never wrote.
@Suite struct HostilePickleTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file whose storage `0` has two numbers.
  private func open(_ pickle: [UInt8]) throws -> TorchFile {
    let url = folder.url.appending(path: "model.ckpt")
    let archive = StoredZip.archive([
      StoredZip.Entry("m/data.pkl", pickle), StoredZip.Entry("m/data/0", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]),
    ])
    try Data(archive).write(to: url)
    return try TorchFile(url)
  }

  private func problem(_ pickle: [UInt8]) -> TorchFileError.Problem? {
    #expect(throws: TorchFileError.self) { try open(pickle) }?.problem
  }

  static let broken: [([UInt8], String)] = [
    ([], "is cut short"),
    ([0x80, 6], "is of protocol 6"),
    ([0xff], "unknown instruction 255"),
    (Array("I1\n.".utf8), "unknown instruction 73"),
    (Array(".".utf8), "takes a value where there is none"),
    (Array("0.".utf8), "takes a value too many"),
    (Array("t.".utf8), "goes back to a mark where there is none"),
    (Array("(.".utf8), "takes a value where there is none"),
    (Array("N(a.".utf8), "takes more values"),
    (Array("](NNNu.".utf8), "sets a key without a value"),
    (Array("](NNu.".utf8), "cannot be changed"),
    (Array("NNa.".utf8), "cannot be changed"),
    (Array("NNR.".utf8), "without a tuple"),
    (Array("(o.".utf8), "calls nothing"),
    (Array("h\u{0}.".utf8), "refers to the value 0"),
    ([UInt8(ascii: "j"), 0xff, 0xff, 0xff, 0xff], "refers to the value 4294967295"),
    ([UInt8(ascii: "X"), 0xff, 0xff, 0xff, 0xff, 0x61], "is cut short"),
    ([0x8d] + [UInt8](repeating: 0xff, count: 8), "is cut short"),
    ([0x8e] + [UInt8](repeating: 0xff, count: 7) + [0x7f], "is cut short"),
    ([0x95, 0, 0], "is cut short"),
    (Array("cos".utf8), "is cut short"),
    (Array("NN".utf8) + [0x93], "by something else than text"),
  ]

  @Test(arguments: broken.indices)
  func brokenPicklesAreRefused(_ index: Int) {
    let (pickle, words) = Self.broken[index]
    guard case .damagedPickle(_, let reason)? = problem(pickle) else {
      Issue.record("\(pickle)")
      return
    }
    #expect(reason.contains(words))
  }

  static let brokenTensors: [([UInt8], String)] = [
    (Pickle.tensor(shape: [3], strides: [1]), "reaches beyond its storage of 2 numbers"),
    (Pickle.tensor(offset: 1, shape: [2], strides: [1]), "reaches beyond"),
    (Pickle.tensor(shape: [2], strides: [2]), "reaches beyond"),
    (Pickle.tensor(offset: -1, shape: [2], strides: [1]), "make no sense"),
    (Pickle.tensor(offset: .max, shape: [2], strides: [1]), "reaches beyond"),
    (Pickle.tensor(shape: [-1], strides: [1]), "make no sense"),
    (Pickle.tensor(shape: [2], strides: [-1]), "make no sense"),
    (Pickle.tensor(shape: [2], strides: [1, 1]), "make no sense"),
    (Pickle.tensor(shape: [2], strides: [.max]), "reaches beyond"),
    (Pickle.tensor(shape: [1 << 32, 1 << 32], strides: [0, 0]), "more numbers than can be counted"),
    (Pickle.tensor(shape: [1 << 62], strides: [0]), "more numbers than can be counted"),
    (Pickle.tensor(shape: [1 << 40], strides: [0]), "outgrow the file"),
    (Pickle.tensor(shape: [Int](repeating: 1, count: 65), strides: [Int](repeating: 1, count: 65)), "make no sense"),
    (Pickle.tensor(storage: Pickle.storage(count: 3), shape: [2], strides: [1]), "too few for 3 numbers"),
    (Pickle.tensor(storage: Pickle.storage(count: .max), shape: [2], strides: [1]), "too few"),
    (Pickle.tensor(storage: Pickle.storage(count: -1), shape: [2], strides: [1]), "no storage"),
    (Pickle.tensor(storage: Pickle.integer(0), shape: [2], strides: [1]), "has no storage"),
    (Pickle.tensor(storage: Pickle.integer(0) + Array("Q".utf8), shape: [2], strides: [1]), "that is no storage"),
  ]

  @Test(arguments: brokenTensors.indices)
  func brokenTensorsAreRefused(_ index: Int) {
    let (tensor, words) = Self.brokenTensors[index]
    guard case .damagedTensor(let reason)? = problem(Pickle.whole(Pickle.dictionary([("a", tensor)]))) else {
      Issue.record("\(index)")
      return
    }
    #expect(reason.contains(words))
  }

  @Test func repeatedNumbersAreReadWithinReason() throws {
    let tensor = Pickle.tensor(offset: 1, shape: [3, 2], strides: [0, 0])
    #expect(try open(Pickle.whole(Pickle.dictionary([("a", tensor)]))).floats("a") == [2, 2, 2, 2, 2, 2])
  }

  /// An axis of one number has nothing to stride to, so such a tensor is not copied.
  @Test func stridesOfSingleNumbersDoNotMatter() throws {
    let tensor = Pickle.tensor(shape: [2, 1], strides: [1, 7])
    let entry = try open(Pickle.whole(Pickle.dictionary([("a", tensor)]))).entry("a")
    #expect(entry.strides == nil)
    #expect(entry.floats() == [1, 2])
  }

  private static let nesting = 200_000

  /// Values nested so deeply that recursion would exhaust the stack.
  static let nested: [[UInt8]] = [
    // A list in a list in a list.
    [UInt8](repeating: UInt8(ascii: "]"), count: nesting) + [UInt8](repeating: UInt8(ascii: "a"), count: nesting - 1),
    // A tuple in a tuple in a tuple.
    [UInt8(ascii: "N")] + [UInt8](repeating: 0x85, count: nesting),
    // A parameter made from a parameter made from a parameter.
    Pickle.global("torch._utils", "_rebuild_parameter") + Array("q\u{0}0".utf8)
      + Array(repeating: Array("h\u{0}".utf8), count: nesting).joined() + [UInt8(ascii: "N")]
      + Array(repeating: [0x85, UInt8(ascii: "R")], count: nesting).joined(),
    // A list that holds itself.
    Array("]q\u{0}h\u{0}a".utf8),
  ]

  @Test(arguments: nested.indices)
  func nestingIsLimited(_ index: Int) {
    guard case .tooLarge? = problem(Pickle.whole(Self.nested[index])) else {
      Issue.record("\(index)")
      return
    }
  }

  /// A function that is given itself to call, over and over.
  @Test func callsOfCallsAreNotFollowed() throws {
    let function = Pickle.global("torch._tensor", "_rebuild_from_type_v2") + Array("q\u{0}".utf8)
    let arguments =
      Array(repeating: Array("h\u{0}N".utf8), count: Self.nesting).joined() + [UInt8(ascii: ")")]
      + [UInt8](repeating: 0x87, count: Self.nesting)
    let file = try open(Pickle.whole(function + arguments + Array("R".utf8)))
    guard case .unknown("torch._tensor._rebuild_from_type_v2") = file.root else {
      Issue.record("\(file.root)")
      return
    }
  }

  /// Forty lists, each of which holds the one before twice: a trillion ways to the innermost one.
  @Test func sharedValuesAreNotMultiplied() throws {
    let lists = (0..<40).reduce([UInt8(ascii: "N")]) { inner, index in
      inner + [UInt8(ascii: "q"), UInt8(index), UInt8(ascii: "h"), UInt8(index), 0x86]
    }
    let file = try open(Pickle.whole(lists))
    #expect(file.root.list?.count == 2)
    #expect(file.entries.isEmpty)
  }

  @Test func instructionsAreLimited() {
    let pickle = Pickle.whole(
      Array(repeating: Array("N0".utf8), count: PickleMachine.instructionLimit / 2).joined() + [UInt8(ascii: "N")])
    guard case .tooLarge? = problem(pickle) else {
      Issue.record("not refused")
      return
    }
  }

  /// Functions that would run code elsewhere, called in each way that there is.
  @Test func dangerousCallsAreListedAndIgnored() throws {
    let command = Pickle.tuple([Pickle.text("touch /tmp/dreambooth-hostile-pickle")])
    let stackGlobal = Pickle.text("subprocess") + Pickle.text("Popen") + [0x93]
    let pickle = Pickle.whole(
      Pickle.dictionary([
        ("reduce", Pickle.global("os", "system") + command + Array("R".utf8)),
        ("new", Pickle.global("builtins", "exec") + command + [0x81]),
        ("newex", Pickle.global("builtins", "eval") + command + Pickle.dictionary([]) + [0x92]),
        ("object", Array("(".utf8) + Pickle.global("runpy", "run_path") + Pickle.text("x") + Array("o".utf8)),
        ("stack", stackGlobal + command + Array("R".utf8)),
        (
          "build",
          Pickle.global("a", "B") + Array(")R".utf8)
            + Pickle.dictionary([("__setstate__", Pickle.global("os", "remove"))]) + Array("b".utf8)
        ),
        ("weight", Pickle.tensor(shape: [2], strides: [1])),
      ]))
    let file = try open(pickle)
    #expect(
      file.ignored == [
        "a.B", "builtins.eval", "builtins.exec", "os.remove", "os.system", "runpy.run_path", "subprocess.Popen",
      ])
    #expect(file.names == ["weight"])
    #expect(try file.floats("weight") == [1, 2])
    #expect(!FileManager.default.fileExists(atPath: "/tmp/dreambooth-hostile-pickle"))
  }

  @Test func unknownStoragesAreNoTensors() throws {
    let tensor = Pickle.tensor(storage: Pickle.storage("StrangeStorage"), shape: [2], strides: [1])
    let file = try open(Pickle.whole(Pickle.dictionary([("a", tensor)])))
    #expect(file.unsupportedTypes == ["a": "unknown"])
    #expect(file.ignored == ["torch.StrangeStorage"])
  }
}
