import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Options are followed, known to be without influence, or refused by name.
@Suite struct ConfigurationTests {
  private func unet(_ json: String) throws -> UNetConfiguration {
    try UNetConfiguration(json: Data(json.utf8), file: "unet")
  }
  private func text(_ json: String) throws -> TextConfiguration {
    try TextConfiguration(json: Data(json.utf8), file: "text")
  }
  private func autoencoder(_ json: String) throws -> AutoencoderConfiguration {
    try AutoencoderConfiguration(json: Data(json.utf8), file: "vae")
  }

  @Test func missingOptionsHaveTheDefaultsOfTheirClass() throws {
    let unet = try unet("{}")
    #expect(unet.blockChannels == [320, 640, 1280, 1280])
    #expect(unet.attentionHeads == [8, 8, 8, 8])
    #expect(unet.crossAttentionWidth == [1280, 1280, 1280, 1280])
    #expect(unet.sampleHeight == nil)
    let text = try text("{}")
    #expect(text.hiddenSize == 512 && text.layers == 12 && text.activation == .quickGELU)
    let autoencoder = try autoencoder("{}")
    #expect(autoencoder.blockChannels == [64] && autoencoder.layersPerBlock == 1)
    #expect(autoencoder.scalingFactor == 0.18215)
  }

  @Test func oneNumberStandsForAllBlocks() throws {
    let one = try unet(#"{"attention_head_dim": 5, "layers_per_block": 1}"#)
    let each = try unet(#"{"attention_head_dim": [5, 5, 5, 5], "layers_per_block": [1, 1, 1, 1]}"#)
    #expect(one == each)
  }

  @Test func samplesNeedNotBeSquare() throws {
    let unet = try unet(#"{"sample_size": [48, 64]}"#)
    #expect(unet.sampleHeight == 48 && unet.sampleWidth == 64)
  }

  @Test func optionsAtTheirDefaultsPass() throws {
    _ = try unet(
      #"""
      {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.42.1", "_name_or_path": "x", "act_fn": "silu",
       "addition_embed_type": null, "addition_embed_type_num_heads": 64, "addition_time_embed_dim": null,
       "attention_type": "default", "center_input_sample": false, "class_embed_type": null,
       "class_embeddings_concat": false, "conv_in_kernel": 3, "conv_out_kernel": 3, "cross_attention_norm": null,
       "dropout": 0.0, "dual_cross_attention": false, "encoder_hid_dim": null, "encoder_hid_dim_type": null,
       "mid_block_only_cross_attention": null, "mid_block_scale_factor": 1, "mid_block_type": "UNetMidBlock2DCrossAttn",
       "num_attention_heads": null, "num_class_embeds": null, "only_cross_attention": [false, false, false, false],
       "projection_class_embeddings_input_dim": null, "resnet_out_scale_factor": 1.0, "resnet_skip_time_act": false,
       "resnet_time_scale_shift": "default", "reverse_transformer_layers_per_block": null, "time_cond_proj_dim": null,
       "time_embedding_act_fn": null, "time_embedding_dim": null, "time_embedding_type": "positional",
       "timestep_post_act": null, "transformer_layers_per_block": 1}
      """#)
    _ = try autoencoder(
      #"{"force_upcast": true, "latents_mean": null, "latents_std": null, "shift_factor": null, "act_fn": "silu"}"#)
  }

  /// Every option of the UNet that is refused when it is set to something else than its default.
  @Test(arguments: [
    ("act_fn", "\"gelu\""), ("center_input_sample", "true"), ("dual_cross_attention", "true"),
    ("only_cross_attention", "true"), ("only_cross_attention", "[true, false, false, false]"),
    ("num_class_embeds", "10"), ("class_embed_type", "\"timestep\""), ("addition_embed_type", "\"text_time\""),
    ("encoder_hid_dim", "1024"), ("resnet_time_scale_shift", "\"scale_shift\""), ("dropout", "0.1"),
    ("time_cond_proj_dim", "256"), ("conv_in_kernel", "1"), ("mid_block_type", "\"UNetMidBlock2D\""),
    ("mid_block_type", "null"), ("attention_type", "\"gated\""), ("num_attention_heads", "8"),
    ("down_block_types", "[\"AttnDownBlock2D\"]"), ("up_block_types", "[\"SimpleCrossAttnUpBlock2D\"]"),
  ])
  func anUnsupportedOptionIsNamed(_ option: String, _ value: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try unet("{\"\(option)\": \(value)}") }
    guard case .unsupported("unet", option, _, _)? = error else {
      Issue.record("\(option): \(String(describing: error))")
      return
    }
  }

  @Test func optionsOfTheOtherPartsAreNamedToo() throws {
    for (option, value) in [("shift_factor", "0.1"), ("latents_mean", "[0, 0, 0, 0]"), ("act_fn", "\"relu\"")] {
      let error = #expect(throws: ConfigurationError.self) { try autoencoder("{\"\(option)\": \(value)}") }
      #expect(error?.description.contains("vae sets \(option) to ") == true)
    }
    for (option, value) in [("hidden_act", "\"relu\""), ("attention_dropout", "0.1"), ("model_type", "\"t5\"")] {
      let error = #expect(throws: ConfigurationError.self) { try text("{\"\(option)\": \(value)}") }
      #expect(error?.description.contains("text sets \(option) to ") == true)
    }
  }

  @Test func anUnknownOptionIsNamed() throws {
    #expect(throws: ConfigurationError.unknownOption(file: "unet", option: "colour", value: "\"red\"")) {
      try unet(#"{"colour": "red"}"#)
    }
  }

  @Test(arguments: [
    #"{"in_channels": "four"}"#, #"{"in_channels": 0}"#, #"{"in_channels": 4.5}"#, #"{"in_channels": 1e30}"#,
    #"{"block_out_channels": []}"#, #"{"norm_eps": 0}"#, #"{"flip_sin_to_cos": 1}"#, #"{"norm_num_groups": null}"#,
    #"{"layers_per_block": 100000}"#,
  ])
  func aValueThatMakesNoSenseIsRefused(_ json: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try unet(json) }
    guard case .wrongValue? = error else {
      Issue.record("\(json): \(String(describing: error))")
      return
    }
  }

  @Test(arguments: [
    #"{"block_out_channels": [320, 640]}"#, #"{"attention_head_dim": [5, 10]}"#, #"{"norm_num_groups": 31}"#,
    #"{"attention_head_dim": 7}"#, #"{"layers_per_block": 256, "transformer_layers_per_block": 200}"#,
  ])
  func contradictionsAreRefused(_ json: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try unet(json) }
    guard case .inconsistent? = error else {
      Issue.record("\(json): \(String(describing: error))")
      return
    }
  }

  @Test(arguments: ["", "[]", "{\"in_channels\": }", "3"])
  func whatIsNoObjectIsRefused(_ json: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try unet(json) }
    guard case .notJSON? = error else {
      Issue.record("\(json): \(String(describing: error))")
      return
    }
  }

  @Test(arguments: StandardModel.allCases)
  func standardModelsHaveThePublishedOptions(_ model: StandardModel) throws {
    let published = try ModelFolder(Fixtures.configs(model.rawValue))
    let known = try ModelFolder(
      URL(filePath: "/standard"), documents: model.documents, contents: .files(variant: nil))
    #expect(known.unetConfiguration == published.unetConfiguration)
    #expect(known.textConfiguration == published.textConfiguration)
    #expect(known.autoencoderConfiguration == published.autoencoderConfiguration)
    var other = published.schedulerConfiguration
    // What 1.5's file leaves out is the default of its class.
    other.predictionType = other.predictionType ?? .epsilon
    #expect(known.schedulerConfiguration == other)
  }
}
