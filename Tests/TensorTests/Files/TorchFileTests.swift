import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Files that the real `torch.save` wrote, held against what safetensors made of the same tensors.
@Suite struct TorchFileTests {
  static let archives = ["all.pt", "all-protocol3.pt", "all-protocol4.pt", "all-protocol5.pt"]
  static let legacy = ["all-legacy.pt", "all-legacy-protocol4.pt"]

  private func open(_ name: String) throws -> any TensorFile {
    try TensorFileFormat.open(Fixtures.folder.appending(path: "torch-files/\(name)"))
  }

  private func golden(_ name: String) throws -> SafetensorsFile { try Fixtures.golden("torch-files/\(name)") }

  private func expectEqual(_ found: any TensorFile, _ golden: SafetensorsFile) throws {
    #expect(Set(found.names) == Set(golden.names))
    #expect(Set(found.entries.keys) == Set(golden.names))
    for name in golden.names {
      let (entry, expected) = (try found.entry(name), try golden.entry(name))
      #expect(entry.dtype == expected.dtype, "\(name)")
      #expect(entry.shape == expected.shape, "\(name)")
      #expect(entry.bytes() == expected.bytes(), "\(name)")
    }
  }

  @Test(arguments: archives + legacy)
  func readsEveryTypeAndEveryView(_ name: String) throws {
    let file = try open(name)
    #expect(file.format == (Self.legacy.contains(name) ? .torchLegacy : .torchArchive))
    try expectEqual(file, golden("all"))
    #expect(file.names.first == "type.float64")
    #expect(file.ignored == [])
    #expect(file.metadata == [:])
  }

  @Test func convertsNumbersAsFromOtherFiles() throws {
    let (file, golden) = (try open("all.pt"), try golden("all"))
    for name in ["type.float64", "type.float32", "type.float16", "type.bfloat16", "transposed", "transposed.half"] {
      #expect(try file.floats(name) == golden.floats(name), "\(name)")
    }
    #expect(try file.int32s("type.int64") == golden.int32s("type.int64"))
    #expect(try file.int32s("every_second") == [0, 2, 4, 6, 8])
    #expect(try file.bytes("type.uint8") == golden.bytes("type.uint8"))
    #expect(throws: TensorFileError.self) { try file.floats("type.int64") }
    #expect(throws: TensorFileError.self) { try file.int32s("type.float32") }
    #expect(throws: TensorFileError.self) { try file.bytes("type.int8") }
  }

  @Test func readsTypesWithoutStoragesOfTheirOwn() throws {
    let (file, golden) = (try open("later-types.pt"), try golden("later-types"))
    let types: [String: StoredType] = [
      "type.uint16": .uint16, "type.uint32": .uint32, "type.uint64": .uint64, "type.float8_e4m3fn": .float8e4m3,
      "type.float8_e5m2": .float8e5m2,
    ]
    #expect(file.entries.mapValues(\.dtype) == types)
    for name in types.keys { #expect(try file.entry(name).bytes() == golden.bytes(name), "\(name)") }
  }

  /// Tensors that share a storage in memory look into the same bytes of the file.
  @Test(arguments: ["all.pt", "all-legacy.pt"])
  func sharesStorages(_ name: String) throws {
    let file = try open(name)
    let (first, last, whole) = (
      try file.entry("shared.first"), try file.entry("shared.last"), try file.entry("shared.whole")
    )
    #expect(first.range.upperBound == last.range.lowerBound)
    #expect(whole.range == first.range.lowerBound..<last.range.upperBound)
    #expect(first.strides == nil)
    #expect(whole.strides == [1, 6])
  }

  static let checkpoints = ["checkpoint.ckpt", "checkpoint-legacy.ckpt", "nested.ckpt", "nested-legacy.ckpt"]

  @Test(arguments: checkpoints)
  func findsTheInnermostStateDictionary(_ name: String) throws {
    let file = try open(name)
    try expectEqual(file, golden("checkpoint"))
    #expect(file.unsupportedTypes == ["complex": "complex64"])
    let error = #expect(throws: TensorFileError.self) { try file.entry("complex") }
    #expect(error?.problem == .unsupportedType(tensor: "complex", type: "complex64"))
    let missing = #expect(throws: TensorFileError.self) { try file.entry("absent") }
    #expect(missing?.problem == .missing(tensor: "absent"))
  }

  @Test(arguments: checkpoints)
  func givesAccessToWhatStandsBesideTheWeights(_ name: String) throws {
    let file = try open(name)
    let root = name.hasPrefix("nested") ? try #require(file.root["state_dict"]) : file.root
    #expect(root.dictionary?.keys.first == "epoch")
    #expect(root["epoch"]?.integer == 6)
    #expect(root["global_step"]?.integer == 470000)
    #expect(root["pytorch-lightning_version"]?.string == "1.4.2")
    #expect(root["steps"]?.integer == -7)
    #expect(root["negative"]?.integer == -(1 << 40))
    #expect(root["shape"]?.list?.map(\.integer) == [2, 3])
    #expect(root["names"]?.list?.compactMap(\.string).sorted() == ["a", "b"])
    guard case .real(0.125)? = root["loss"], case .real(1.5)? = root["best"], case .bool(true)? = root["is_best"],
      case .bytes([0x00, 0xff])? = root["raw"], case .unknown("int")? = root["huge"]
    else { throw Unexpected(value: "\(root)") }
    let state = try #require(root["optimizer_states"]?.list?[0]["state"]?.dictionary)
    #expect(state.pairs.map(\.key.integer) == [0])
    #expect(state.pairs[0].value["exp_avg"]?.tensor?.floats() == [1, 1])
  }

  private struct Unexpected: Error {
    let value: String
  }

  @Test(arguments: checkpoints)
  func listsWhatItIgnores(_ name: String) throws {
    let file = try open(name)
    let checkpoint = "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"
    #expect(file.ignored == ["torch.device", checkpoint].sorted() || file.ignored.contains(checkpoint))
    let root = name.hasPrefix("nested") ? try #require(file.root["state_dict"]) : file.root
    guard case .unknown = root["state"], case .unknown("torch.device") = root["device"] else {
      throw Unexpected(value: "\(root)")
    }
  }

  @Test(arguments: ["embedding.pt", "embedding-parameters.pt"])
  func readsEmbeddingsOfTextualInversion(_ name: String) throws {
    let file = try open(name)
    #expect(file.names == ["*"])
    #expect(try file.floats("*") == golden("embedding").floats("*"))
    #expect(file.root["string_to_token"]?["*"]?.integer == 265)
    #expect(file.root["name"]?.string == "style")
    let vectors = try #require(file.root["string_to_param"]?["*"]?.tensor)
    #expect(vectors.shape == [2, 8])
    #expect(try vectors.floats() == golden("embedding").floats("*"))
  }

  /// The pickle would have Python make a folder. Here it is listed, and the weight beside it is read.
  @Test(arguments: ["hostile.pt", "hostile-legacy.pt"])
  func runsNothing(_ name: String) throws {
    let file = try open(name)
    #expect(file.ignored == ["posix.mkdir"])
    #expect(try file.floats("weight") == [1, 1])
    guard case .unknown("posix.mkdir")? = file.root["payload"] else { throw Unexpected(value: "\(file.root)") }
    #expect(!FileManager.default.fileExists(atPath: "/tmp/dreambooth-hostile-pickle"))
  }

  @Test func saysWhatItCannotRead() throws {
    func problem(_ name: String) -> TorchFileError.Problem? {
      #expect(throws: TorchFileError.self) { try open(name) }?.problem
    }
    #expect(problem("compressed.pt") == .packedEntry("archive/data.pkl"))
    #expect(problem("big-endian.pt") == .bigEndian)
    #expect(problem("script.pt") == .torchScript)
  }
}
