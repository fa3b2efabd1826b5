import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// The names of kohya's layout against the rules of the programs that read them, on full-size models.
///
/// Layers and the original names of their tensors come from diffusers itself; see Fixtures/single_files.py.
@Suite struct LoRANameTests {
  static let models = ["sd15", "sd21"]

  /// The name of a layer's tensor in a single file; three layers may share one.
  private enum Place: Decodable {
    case whole(String)
    case third(String)

    init(from decoder: any Decoder) throws {
      do {
        self = .whole(try decoder.singleValueContainer().decode(String.self))
      } catch DecodingError.typeMismatch {
        var pair = try decoder.unkeyedContainer()
        self = .third(try pair.decode(String.self))
      }
    }
  }

  /// The layers with a matrix or a convolution, and where single files have their weights.
  private func layers(_ model: String, _ part: ModelPart) throws -> [(layer: String, place: Place)] {
    let json = try Data(contentsOf: Fixtures.folder.appending(path: "goldens/single-file/\(model).json"))
    let places = try #require(JSONDecoder().decode([String: [String: Place]].self, from: json)[part.rawValue])
    let parameters = try ModelFolder(Fixtures.configs(model)).specifications(of: part)
    return try parameters.filter { $0.shape.rank > 1 && !$0.name.hasSuffix("_embedding.weight") }.map {
      (String($0.name.dropLast(".weight".count)), try #require(places[$0.name]))
    }
  }

  /// The name of a layer without what says which of its tensors is meant.
  private func name(_ part: ModelPart, _ layer: String) throws -> String {
    let name = LoRAKey(part, layer, .alpha).kohyaName
    #expect(name.hasSuffix(".alpha"))
    return String(name.dropLast(".alpha".count))
  }

  // MARK: - kohya's sd-scripts

  @Test(
    arguments: [
      (.unet, "down_blocks.0.attentions.0.proj_in", "lora_unet_down_blocks_0_attentions_0_proj_in"),
      (
        .unet, "down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_out.0",
        "lora_unet_down_blocks_2_attentions_1_transformer_blocks_0_attn1_to_out_0"
      ),
      (
        .unet, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
      ),
      (
        .unet, "up_blocks.3.attentions.2.transformer_blocks.0.ff.net.0.proj",
        "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj"
      ),
      (.unet, "up_blocks.1.resnets.0.conv_shortcut", "lora_unet_up_blocks_1_resnets_0_conv_shortcut"),
      (.unet, "up_blocks.0.upsamplers.0.conv", "lora_unet_up_blocks_0_upsamplers_0_conv"),
      (
        .textEncoder, "text_model.encoder.layers.0.self_attn.q_proj",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
      ),
      (.textEncoder, "text_model.encoder.layers.11.mlp.fc2", "lora_te_text_model_encoder_layers_11_mlp_fc2"),
    ] as [(ModelPart, String, String)])
  func namesAreThoseOfKohyasFiles(_ part: ModelPart, _ layer: String, _ expected: String) throws {
    for (role, suffix) in [(.down, ".lora_down.weight"), (.up, ".lora_up.weight"), (.alpha, ".alpha")]
      as [(LoRAKey.Role, String)]
    {
      #expect(LoRAKey(part, layer, role).kohyaName == expected + suffix)
    }
  }

  /// kohya's programs say how many layers they train: 192 in the UNet, with convolutions 278, and 6 in each layer of
  /// the text encoder. They look into transformers, residual blocks and changes of size; four layers are in none.
  @Test(arguments: [("sd15", 72), ("sd21", 138)])
  func kohyasProgramsFindTheirLayers(_ model: String, _ textCount: Int) throws {
    let names = try layers(model, .unet).map { try name(.unet, $0.layer) }
    let inTransformers = names.filter { $0.contains("_attentions_") }
    let others = names.filter { name in
      ["_resnets_", "_downsamplers_", "_upsamplers_"].contains { name.contains($0) }
    }
    #expect(inTransformers.count == 192)
    #expect(inTransformers.count + others.count == 278)
    #expect(
      Set(names).subtracting(inTransformers + others) == [
        "lora_unet_conv_in", "lora_unet_conv_out", "lora_unet_time_embedding_linear_1",
        "lora_unet_time_embedding_linear_2",
      ])
    let text = try layers(model, .textEncoder).map { try name(.textEncoder, $0.layer) }
    #expect(text.count == textCount)
    #expect(text.allSatisfy { $0.hasPrefix("lora_te_text_model_encoder_layers_") })
    #expect(Set(names + text).count == names.count + text.count)
  }

  // MARK: - AUTOMATIC1111's WebUI

  /// How the WebUI finds the module of the original implementation that a name of kohya's speaks of.
  private static let rules: [(pattern: String, module: @Sendable ([String]) -> String)] = [
    ("lora_unet_conv_in", { _ in "diffusion_model_input_blocks_0_0" }),
    ("lora_unet_conv_out", { _ in "diffusion_model_out_2" }),
    ("lora_unet_time_embedding_linear_(\\d+)", { "diffusion_model_time_embed_\(Int($0[1])! * 2 - 2)" }),
    (
      "lora_unet_down_blocks_(\\d+)_downsamplers_0_conv", { "diffusion_model_input_blocks_\(3 + Int($0[1])! * 3)_0_op" }
    ),
    (
      "lora_unet_up_blocks_(\\d+)_upsamplers_0_conv",
      { "diffusion_model_output_blocks_\(2 + Int($0[1])! * 3)_\($0[1] == "0" ? 1 : 2)_conv" }
    ),
    (
      "lora_unet_down_blocks_(\\d+)_(attentions|resnets)_(\\d+)_(.+)",
      { "diffusion_model_input_blocks_\(1 + Int($0[1])! * 3 + Int($0[3])!)_\(inner($0[2], $0[4]))" }
    ),
    (
      "lora_unet_up_blocks_(\\d+)_(attentions|resnets)_(\\d+)_(.+)",
      { "diffusion_model_output_blocks_\(Int($0[1])! * 3 + Int($0[3])!)_\(inner($0[2], $0[4]))" }
    ),
    ("lora_unet_mid_block_attentions_0_(.+)", { "diffusion_model_middle_block_1_\($0[1])" }),
    (
      "lora_unet_mid_block_resnets_(\\d+)_(.+)",
      { "diffusion_model_middle_block_\(Int($0[1])! * 2)_\(inner("resnets", $0[2]).dropFirst(2))" }
    ),
  ]

  /// Modules within a layer of the way down or up.
  private static func inner(_ kind: String, _ name: String) -> String {
    let residual = [
      "conv1": "in_layers_2", "conv2": "out_layers_3", "time_emb_proj": "emb_layers_1",
      "conv_shortcut": "skip_connection",
    ]
    return kind == "attentions" ? "1_\(name)" : "0_\(residual[name] ?? name)"
  }

  private static let textPattern = "lora_te_text_model_encoder_layers_(\\d+)_(.+)"

  private static func textModule(_ groups: [String], isSecond: Bool) -> String {
    guard isSecond else { return "transformer_text_model_encoder_layers_\(groups[1])_\(groups[2])" }
    let name = groups[2].replacing("mlp_fc1", with: "mlp_c_fc").replacing("mlp_fc2", with: "mlp_c_proj")
      .replacing("self_attn", with: "attn")
    // Queries, keys and values are one module there.
    return "model_transformer_resblocks_\(groups[1])_" + name.replacing(/_[qkv]_proj$/, with: "")
  }

  private func groups(_ pattern: String, in name: String) throws -> [String]? {
    try Regex(pattern).wholeMatch(in: name)?.output.map { String($0.substring ?? "") }
  }

  /// The name that the WebUI gives to the module that holds a tensor of a single file.
  private func module(_ place: Place) -> String {
    let name =
      switch place {
      case .whole(let name): name.dropLast(".weight".count)
      case .third(let name): name.dropLast(".in_proj_weight".count)
      }
    return String(name).replacing("cond_stage_model.", with: "").replacing(
      "model.diffusion_model", with: "diffusion_model"
    )
    .replacing(".", with: "_")
  }

  @Test(arguments: models)
  func theWebUIFindsTheUNetsModules(_ model: String) throws {
    for (layer, place) in try layers(model, .unet) {
      let name = try name(.unet, layer)
      let found = try Self.rules.compactMap { rule in try groups(rule.pattern, in: name).map(rule.module) }
      #expect(found == [module(place)], "\(name)")
    }
  }

  @Test(arguments: models)
  func theWebUIFindsTheTextEncodersModules(_ model: String) throws {
    for (layer, place) in try layers(model, .textEncoder) {
      let name = try name(.textEncoder, layer)
      let groups = try #require(try groups(Self.textPattern, in: name))
      #expect(Self.textModule(groups, isSecond: model == "sd21") == module(place), "\(name)")
    }
  }
}
