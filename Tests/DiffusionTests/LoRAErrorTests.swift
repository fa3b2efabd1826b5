import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Files that are no LoRA, or one for another model, are refused with a reason.
@Suite struct LoRAErrorTests {
  private let device = CPUBackend()
  private let home: TemporaryFolder
  private let layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"

  init() throws { home = try TemporaryFolder() }

  private var url: URL { home.url.appending(path: "lora.safetensors") }
  private var path: String { url.path(percentEncoded: false) }

  private func write(_ shapes: [String: Shape], metadata: [String: String] = [:]) throws {
    try SafetensorsWriter.write(
      shapes.map { TensorItem($0.key, Tensor(repeating: 1, $0.value, on: device)) }, metadata: metadata, to: url)
  }

  private func error(_ shapes: [String: Shape], metadata: [String: String] = [:]) throws -> LoRAError? {
    try write(shapes, metadata: metadata)
    return #expect(throws: LoRAError.self) { try LoRA(contentsOf: url) }
  }

  @Test func damagedFiles() throws {
    #expect(try error([:]) == .empty(file: path))
    #expect(
      try error(["\(layer).lora_A.weight": [2, 16]])
        == .incomplete(
          file: path, layer: String(layer.dropFirst(5)), reason: "has no factor 'up'"))
    #expect(
      try error(["\(layer).lora_A.weight": [2, 16], "\(layer).lora_B.weight": [16, 3]])
        == .wrongFactors(file: path, layer: String(layer.dropFirst(5)), down: [2, 16], up: [16, 3]))
    #expect(
      try error(["\(layer).lora_A.weight": [0, 16], "\(layer).lora_B.weight": [16, 0]])
        == .wrongFactors(file: path, layer: String(layer.dropFirst(5)), down: [0, 16], up: [16, 0]))
    let twice = try error([
      "\(layer).lora_A.weight": [2, 16], "\(layer).lora.down.weight": [2, 16], "\(layer).lora_B.weight": [16, 2],
    ])
    #expect(twice?.description.contains("is there twice") == true)
  }

  @Test func otherFiles() throws {
    #expect(try error(["conv_in.weight": [2, 2]]) == .unexpectedKeys(file: path, keys: ["conv_in.weight"]))
    for (key, kind) in [
      ("lora_unet_mid_block_attentions_0_proj_in.dora_scale", "DoRA"),
      ("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", "LoHa"),
      ("lora_unet_mid_block_attentions_0_proj_in.lokr_w1", "LoKr"),
      ("lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", "a LoRA for SDXL"),
    ] {
      #expect(try error([key: [2, 2]]) == .unsupported(file: path, key: key, kind: kind))
    }
  }

  @Test(arguments: [
    ("{", "is no JSON"), (#"{"unet.lora_alpha": "8"}"#, "has \"8\" as unet.lora_alpha"),
    (#"{"unet.alpha_pattern": {".*to_q": 2}}"#, "more than a name"), (#"{"unet.use_dora": true}"#, "DoRA"),
  ])
  func wrongMetadata(_ text: String, _ reason: String) throws {
    let found = try error(
      ["\(layer).lora_A.weight": [2, 16], "\(layer).lora_B.weight": [16, 2]], metadata: ["lora_adapter_metadata": text])
    #expect(found?.description.contains(reason) == true, "\(String(describing: found))")
  }

  @Test func rankStabilisedScales() throws {
    try write(
      ["\(layer).lora_A.weight": [4, 16], "\(layer).lora_B.weight": [16, 4]],
      metadata: ["lora_adapter_metadata": #"{"unet.lora_alpha": 8, "unet.use_rslora": true}"#])
    #expect(try LoRA(contentsOf: url).layers[0].scale == 4)
  }

  @Test func filesWithoutAlphaHaveAScaleOfOne() throws {
    try write(["\(layer).lora_A.weight": [4, 16], "\(layer).lora_B.weight": [16, 4]])
    #expect(try LoRA(contentsOf: url).layers[0].scale == 1)
  }

  @Test func loRAsForOtherModels() throws {
    let folder = try ModelFolder(Fixtures.model("tiny-sd1"))
    func refusal() -> LoRAError? {
      #expect(throws: LoRAError.self) {
        try TextToImage(folder, on: device, loras: [ScaledLoRA(try LoRA(contentsOf: url))])
      }
    }
    try write(["\(layer).lora_A.weight": [2, 24], "\(layer).lora_B.weight": [24, 2]])
    guard case .wrongShape(_, _, let found, let expected)? = refusal() else { return #expect(Bool(false)) }
    #expect((found, expected) == ([2, 24], [2, 16]) || (found, expected) == ([24, 2], [16, 2]))
    let unknown = "unet.mid_block.attentions.7.transformer_blocks.0.attn1.to_q"
    try write(["\(unknown).lora_A.weight": [2, 16], "\(unknown).lora_B.weight": [16, 2]])
    #expect(refusal() == .unknownLayers(lora: path, layers: [String(unknown.dropFirst(5))]))
  }
}
