import Foundation
import TestSupport
import Testing

@testable import Tensor

/// What is written reads back as it was. That PyTorch reads it as well is for the interoperability tests.
@Suite struct TorchWriterTests {
  private let folder: TemporaryFolder
  private let url: URL

  init() throws {
    folder = try TemporaryFolder()
    url = folder.url.appending(path: "written.ckpt")
  }

  /// One tensor of each type that can be stored, and shapes of every kind.
  private let items: [TensorItem] =
    StoredType.allCases.map { type in
      TensorItem("type.\(type.rawValue)", [2, 3], storedAs: type) { (0..<6 * type.byteCount).map { UInt8($0 % 2) } }
    } + [
      TensorItem("scalar", [], storedAs: .float32) { [0, 0, 0x20, 0x40] },
      TensorItem("empty", [3, 0], storedAs: .float32) { [] },
      TensorItem("long.\(String(repeating: "n", count: 300))", [300], storedAs: .uint8) {
        (0..<300).map { UInt8($0 & 0xff) }
      },
      TensorItem("ünïcode", [1], storedAs: .bool) { [1] },
    ]

  private func expectWritten(_ file: TorchFile) throws {
    #expect(file.names == items.map(\.name))
    for item in items {
      let entry = try file.entry(item.name)
      #expect(entry.dtype == item.dtype && entry.shape == item.shape, "\(item.name)")
      var expected: [UInt8] = []
      try item.write { expected += $0 }
      #expect(entry.bytes() == expected, "\(item.name)")
    }
    #expect(file.ignored == [])
  }

  @Test func whatIsWrittenReadsBack() throws {
    try TorchWriter.write(.tensors(items), to: url)
    let file = try TorchFile(url)
    #expect(file.format == .torchArchive)
    try expectWritten(file)
  }

  @Test func writesPlainValuesBesideTheWeights() throws {
    let contents: TorchContents = [
      "state_dict": .tensors(items), "global_step": 470_000, "epoch": 0, "negative": -5, "wide": 8_589_934_592,
      "rate": 1e-4, "name": "a name", "nothing": nil, "flag": true,
      "string_to_param": ["*": .tensor(TensorItem("", [1], storedAs: .float32) { [0, 0, 0x80, 0x3f] })],
    ]
    try TorchWriter.write(contents, to: url)
    let file = try TorchFile(url)
    try expectWritten(file)
    let root = try #require(file.root.dictionary)
    #expect(
      root.keys == [
        "state_dict", "global_step", "epoch", "negative", "wide", "rate", "name", "nothing", "flag", "string_to_param",
      ])
    let integers = ["global_step", "epoch", "negative", "wide"].map { root[$0]?.integer }
    #expect(integers == [470_000, 0, -5, 1 << 33])
    #expect(root["name"]?.string == "a name")
    #expect(root["string_to_param"]?["*"]?.tensor?.floats() == [1])
    guard case .real(1e-4)? = root["rate"], case StoredValue.none? = root["nothing"], case .bool(true)? = root["flag"]
    else {
      Issue.record("\(root)")
      return
    }
  }

  /// The entries that cautious programs allow, each aligned as PyTorch wants it.
  @Test func writesOnlyEntriesThatAllReadersKnow() throws {
    try TorchWriter.write(.tensors(items), to: url)
    let archive = try Data(contentsOf: url).withUnsafeBytes { try ZipArchive($0) }
    let data = items.indices.map { "archive/data/\($0)" }
    #expect(archive.entries.map(\.name) == ["archive/data.pkl"] + data + ["archive/version"])
    for entry in archive.entries {
      #expect(entry.isStored && entry.range.lowerBound % 64 == 0, "\(entry)")
    }
  }

  /// The 64-bit records of archives beyond 4 GB, forced upon a small one: in the directory alone, and everywhere.
  @Test(arguments: [2_000, 100, 0])
  func writesWideRecords(_ wideFrom: Int) throws {
    try TorchWriter.write(.tensors(items), to: url, wideFrom: wideFrom)
    try expectWritten(TorchFile(url))
    let whole = try Data(contentsOf: url)
    let end = whole.suffix(22)
    #expect(end.prefix(4).elementsEqual([0x50, 0x4b, 0x05, 0x06]))
    #expect(end.dropFirst(16).prefix(4).elementsEqual([0xff, 0xff, 0xff, 0xff]))
  }

  @Test func anErrorLeavesTheOldFile() throws {
    struct Failure: Error {}
    try Data("old".utf8).write(to: url)
    #expect(throws: Failure.self) {
      try TorchWriter.write(.tensors([TensorItem("a", [1], storedAs: .uint8) { throw Failure() }]), to: url)
    }
    #expect(try Data(contentsOf: url) == Data("old".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path()) == ["written.ckpt"])
  }

  @Test func copiesTensorsOfOtherFilesBitByBit() throws {
    let golden = try Fixtures.golden("torch-files/all")
    try TorchWriter.write(.tensors(try golden.names.map { TensorItem($0, copying: try golden.entry($0)) }), to: url)
    let written = try TorchFile(url)
    let url = folder.url.appending(path: "again.safetensors")
    try SafetensorsWriter.write(try written.names.map { TensorItem($0, copying: try written.entry($0)) }, to: url)
    let again = try SafetensorsFile(url)
    #expect(again.entries.count == golden.entries.count)
    for name in golden.names {
      let (found, expected) = (try again.entry(name), try golden.entry(name))
      #expect(found.dtype == expected.dtype && found.shape == expected.shape, "\(name)")
      #expect(found.bytes() == expected.bytes(), "\(name)")
    }
  }

  /// Bit by bit, as the definition has it, against the tables; in pieces that begin anywhere.
  @Test func checksumsFollowTheDefinition() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
      ~bytes.reduce(UInt32.max) { register, byte in
        (0..<8).reduce(register ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? 0xedb8_8320 ^ (crc >> 1) : crc >> 1 }
      }
    }
    #expect(checksum("123456789".utf8) == 0xcbf4_3926)
    for split in [0, 1, 15, 16, 17, 500, 1000] {
      var found = CRC32()
      bytes[..<split].withUnsafeBytes { found.append($0) }
      bytes[split...].withUnsafeBytes { found.append($0) }
      #expect(found.value == checksum(bytes))
    }
  }
}
