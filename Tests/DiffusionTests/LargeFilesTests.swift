import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Files that are read whole are refused where they are larger than any of their kind.
@Suite struct LargeFilesTests {
  private let model: EditableModel

  init() throws { model = try EditableModel("tiny-sd1") }

  /// Lengthens a file by spaces, which change nothing in JSON.
  private func pad(_ path: String, to byteCount: Int) throws {
    let data = try Data(contentsOf: model.file(path))
    try (data + Data(repeating: UInt8(ascii: " "), count: byteCount - data.count)).write(to: model.file(path))
  }

  @Test(arguments: ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"])
  func configurations(_ path: String) throws {
    try pad(path, to: 1 << 20)
    _ = try model.open()
    try pad(path, to: 1 << 20 + 1)
    let error = #expect(throws: FileTooLargeError.self) { try model.open() }
    #expect(error?.path.hasSuffix(path) == true)
  }

  @Test(arguments: ["tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"])
  func tokenizers(_ path: String) throws {
    try pad(path, to: 16 << 20)
    _ = try model.open().loadTokenizer()
    try pad(path, to: 16 << 20 + 1)
    let error = #expect(throws: TokenizerError.self) { try model.open().loadTokenizer() }
    #expect(error?.description.contains("more than the 16777216") == true)
  }

  @Test func listsOfShards() throws {
    let index = "unet/diffusion_pytorch_model.safetensors.index.json"
    let file = try SafetensorsFile(model.weights(.unet))
    let weights = model.weights(.unet).deletingLastPathComponent().appending(path: "shard.safetensors")
    try FileManager.default.moveItem(at: model.weights(.unet), to: weights)
    let places = Dictionary(uniqueKeysWithValues: file.names.map { ($0, "shard.safetensors") })
    try JSONEncoder().encode(["weight_map": places]).write(to: model.file(index))
    try pad(index, to: 4 << 20)
    _ = try model.open().tensors(of: .unet)
    try pad(index, to: 4 << 20 + 1)
    #expect(throws: FileTooLargeError.self) { try model.open().tensors(of: .unet) }
  }

  @Test func metadataOfLoRAs() throws {
    let golden = try SafetensorsFile(Fixtures.folder.appending(path: "goldens/lora/sd1.safetensors"))
    let url = model.file("lora.safetensors")
    func write(_ byteCount: Int) throws {
      let text = try #require(golden.metadata[LoRAMetadata.key])
      let padded = text + String(repeating: " ", count: byteCount - text.utf8.count)
      try SafetensorsWriter.write(
        golden.names.map { TensorItem($0, copying: try golden.entry($0)) }, metadata: [LoRAMetadata.key: padded],
        to: url)
    }
    try write(1 << 20)
    #expect(try LoRA(contentsOf: url).layers.allSatisfy { $0.scale == 8 })
    try write(1 << 20 + 1)
    #expect(throws: LoRAError.self) { try LoRA(contentsOf: url) }
  }
}
