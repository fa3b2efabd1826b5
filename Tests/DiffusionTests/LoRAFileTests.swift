import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// LoRA files of every layout hold what diffusers and kohya's programs find in them.
@Suite struct LoRAFileTests {
  static let cases = ["sd1", "sd1-conv", "sd2"]
  private let device = CPUBackend()

  private func url(_ name: String) -> URL { Fixtures.folder.appending(path: "goldens/lora/\(name).safetensors") }

  @Test(arguments: cases)
  func bothLayoutsHoldTheSame(_ name: String) throws {
    let diffusers = try LoRA(contentsOf: url(name))
    let kohya = try LoRA(contentsOf: url("\(name)-kohya"))
    #expect(diffusers.layers == kohya.layers)
    #expect(diffusers.layers.contains { $0.part == .textEncoder } == (name != "sd1-conv"))
  }

  @Test func ranksAndStrengthsOfLayersFollowPatterns() throws {
    let layers = try LoRA(contentsOf: url("sd1-conv")).layers
    func form(_ name: String) throws -> [Float] {
      let layer = try #require(layers.first { $0.name == name })
      return [Float(layer.rank), layer.alpha]
    }
    #expect(try form("conv_in") == [1, 4])
    #expect(try form("mid_block.resnets.0.conv1") == [2, 6])
    #expect(try form("mid_block.resnets.0.conv2") == [3, 1.5])
    #expect(try form("mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0") == [3, 6])
    #expect(try LoRA(contentsOf: url("sd1")).layers.allSatisfy { $0.scale == 8 })
  }

  @Test(arguments: cases, [("", "-kohya"), ("-kohya", "")])
  func whatIsWrittenIsWhatTheOthersWrite(_ name: String, _ suffixes: (from: String, to: String)) throws {
    let home = try TemporaryFolder()
    let written = home.url.appending(path: "written.safetensors")
    let layout: LoRALayout = suffixes.to.isEmpty ? .diffusers : .kohya
    try LoRA(contentsOf: url("\(name)\(suffixes.from)")).write(to: written, layout, on: device)
    let (found, golden) = (try SafetensorsFile(written), try SafetensorsFile(url("\(name)\(suffixes.to)")))
    // transformers 5 leaves out the prefix; all programs but it and diffusers' newest want it.
    func current(_ name: String) -> String {
      name.replacing("text_encoder.encoder.", with: "text_encoder.text_model.encoder.")
    }
    #expect(Set(found.names) == Set(golden.names.map(current)))
    for name in golden.names {
      #expect(try found.entry(current(name)).shape == golden.entry(name).shape)
      #expect(try found.floats(current(name)) == golden.floats(name))
    }
    #expect(found.metadata["format"] == "pt")
    #expect(try LoRA(contentsOf: written).layers == LoRA(contentsOf: url(name)).layers)
  }

  /// The other file holds the same numbers under the same names, so it has the same digest, without its header.
  @Test(arguments: ["sd1-conv", "sd2"])
  func theDigestIsThatOfTheNumbers(_ name: String) throws {
    let home = try TemporaryFolder()
    let written = home.url.appending(path: "written.safetensors")
    try LoRA(contentsOf: url(name)).write(to: written, .kohya, on: device)
    for file in [written, url("\(name)-kohya")] {
      let header = try SafetensorsFile.headerByteCount(file)
      #expect(
        try SafetensorsFile(written).metadata["sshs_model_hash"] == SHA256.hexadecimal(file, header..<Int.max))
    }
  }

  @Test func metadataIsWhatPEFTBuildsItsConfigurationFrom() throws {
    let home = try TemporaryFolder()
    let written = home.url.appending(path: "written.safetensors")
    try LoRA(contentsOf: url("sd1-conv-kohya")).write(to: written, .diffusers, on: device)
    let text = try #require(SafetensorsFile(written).metadata["lora_adapter_metadata"])
    let members = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))
    #expect(members["unet.r"] == 3)
    #expect(members["unet.lora_alpha"] == 6)
    guard case .object(let ranks)? = members["unet.rank_pattern"],
      case .object(let alphas)? = members["unet.alpha_pattern"],
      case .array(let targets)? = members["unet.target_modules"]
    else { return #expect(Bool(false), "patterns or targets are missing") }
    #expect(ranks["mid_block.resnets.0.conv1"] == 2)
    #expect(ranks["conv_in"] == 1)
    #expect(alphas["mid_block.resnets.0.conv2"] == .number(1.5))
    #expect(ranks["conv_out"] == nil && alphas["conv_out"] == nil)
    #expect(Set(targets).count == (try LoRA(contentsOf: written)).layers.count)
    #expect(members.keys.allSatisfy { $0.hasPrefix("unet.") })
  }

  @Test(arguments: [8, -8] as [Float])
  func foldedScalesNeedNoAlpha(_ scale: Float) throws {
    let golden = try LoRA(contentsOf: url("sd1"))
    let layers = golden.layers.map {
      LoRA.Layer($0.part, $0.name, alpha: scale * Float($0.rank), down: $0.down, up: $0.up)
    }
    let folded = LoRA(layers, origin: golden.origin).withFoldedScale()
    for (layer, original) in zip(folded.layers, golden.layers) {
      #expect(layer.alpha == Float(layer.rank))
      let (product, expected) = (
        layer.down.numbers[0] * layer.up.numbers[0], original.down.numbers[0] * original.up.numbers[0]
      )
      #expect(abs(product - scale * expected) <= 1e-6 * abs(scale * expected))
    }
  }

  /// PEFT's `use_rslora`: alpha is divided by the root of the rank instead of the rank.
  @Test func rankStabilizedScalesAreUnderstood() throws {
    let home = try TemporaryFolder()
    let golden = try SafetensorsFile(url("sd1-conv"))
    let text = try #require(golden.metadata[LoRAMetadata.key])
    var members = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))
    members["unet.use_rslora"] = true
    let stabilized = String(decoding: try JSONEncoder().encode(members), as: UTF8.self)
    let written = home.url.appending(path: "stabilized.safetensors")
    try SafetensorsWriter.write(
      golden.names.map { TensorItem($0, copying: try golden.entry($0)) }, metadata: [LoRAMetadata.key: stabilized],
      to: written)
    for (layer, plain) in zip(try LoRA(contentsOf: written).layers, try LoRA(contentsOf: url("sd1-conv")).layers) {
      #expect(layer.down == plain.down && layer.up == plain.up)
      #expect(abs(layer.scale - plain.alpha / Float(layer.rank).squareRoot()) < 1e-6 * layer.scale)
    }
  }

  @Test(arguments: [
    // Every name that programs have given to the same factor.
    ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight", "attn1.to_out.0"),
    ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora.down.weight", "attn1.to_out.0"),
    ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight", "attn1.to_out.0"),
    ("mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight", "attn1.to_q"),
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0.lora_down.weight", "attn1.to_out.0"),
    ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_ff_net_0_proj.lora_down.weight", "ff.net.0.proj"),
    ("lora_unet_up_blocks_1_resnets_2_conv_shortcut.lora_down.weight", "up_blocks.1.resnets.2.conv_shortcut"),
    ("lora_unet_up_blocks_1_resnets_2_time_emb_proj.lora_down.weight", "up_blocks.1.resnets.2.time_emb_proj"),
    ("lora_unet_time_embedding_linear_1.lora_down.weight", "time_embedding.linear_1"),
    ("lora_unet_down_blocks_0_downsamplers_0_conv.lora_down.weight", "down_blocks.0.downsamplers.0.conv"),
    ("lora_unet_down_blocks_0_attentions_1_proj_in.lora_down.weight", "down_blocks.0.attentions.1.proj_in"),
    (
      "lora_te_text_model_encoder_layers_10_self_attn_q_proj.lora_down.weight",
      "text_model.encoder.layers.10.self_attn.q_proj"
    ),
    ("lora_te1_text_model_encoder_layers_3_mlp_fc1.lora_down.weight", "text_model.encoder.layers.3.mlp.fc1"),
    ("lora_te1_encoder_layers_3_mlp_fc1.lora_down.weight", "text_model.encoder.layers.3.mlp.fc1"),
    (
      "text_encoder.text_model.encoder.layers.0.self_attn.out_proj.lora_linear_layer.down.weight",
      "text_model.encoder.layers.0.self_attn.out_proj"
    ),
    (
      "text_encoder.encoder.layers.0.self_attn.out_proj.lora_A.weight", "text_model.encoder.layers.0.self_attn.out_proj"
    ),
    (
      "text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.down.weight",
      "text_model.encoder.layers.0.self_attn.out_proj"
    ),
  ])
  func namesOfAllTimesAreUnderstood(_ name: String, _ layer: String) throws {
    let key = try #require(LoRAKey(name))
    #expect(key.layer.hasSuffix(layer))
    #expect(key.role == .down)
    #expect(key.part == (layer.hasPrefix("text_model") ? .textEncoder : .unet))
    // The names that are written are understood as well.
    #expect(LoRAKey(key.kohyaName) == key)
    #expect(LoRAKey(key.diffusersName) == key)
  }

  @Test(arguments: ["sd15", "sd21"])
  func everyLayerOfTheFullSizeModelsHasANameInBothLayouts(_ model: String) throws {
    let folder = try ModelFolder(Fixtures.configs(model))
    for part in [ModelPart.unet, .textEncoder] {
      let layers = try folder.specifications(of: part).filter { $0.shape.rank > 1 && !$0.name.contains("embedding.") }
        .map { String($0.name.dropLast(".weight".count)) }
      #expect(layers.count > 60)
      for layer in layers {
        let key = LoRAKey(part, layer, .up)
        #expect(LoRAKey(key.kohyaName) == key)
        #expect(LoRAKey(key.diffusersName) == key)
      }
    }
  }
}
