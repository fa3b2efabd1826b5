import Foundation

/// The published models whose shapes are known here without any file.
public enum StandardModel: String, Sendable, CaseIterable {
  /// Stable Diffusion 1.5: 512 pixels, CLIP ViT-L.
  case sd15
  /// Stable Diffusion 2.1-base: 512 pixels, OpenCLIP ViT-H, predicts the noise.
  case sd21Base = "sd21-base"
  /// Stable Diffusion 2.1: 768 pixels, OpenCLIP ViT-H, predicts the velocity.
  case sd21

  /// The token that fills a prompt up.
  var paddingToken: String {
    switch self {
    case .sd15: "<|endoftext|>"
    case .sd21Base, .sd21: "!"
    }
  }

  /// The JSON files with the published options, by their paths inside the model's folder.
  var documents: [String: Data] {
    [
      ModelFolder.indexFile: indexJSON, ModelFolder.schedulerFile: schedulerJSON,
      ModelPart.unet.configurationFile: unetJSON, ModelPart.textEncoder.configurationFile: textEncoderJSON,
      ModelPart.vae.configurationFile: autoencoderJSON,
    ].mapValues { Data("\($0)\n".utf8) }
  }

  /// The latents' height and width.
  private var side: Int { self == .sd21 ? 96 : 64 }

  private var indexJSON: String {
    """
    {
      "_class_name": "StableDiffusionPipeline",
      "feature_extractor": [null, null],
      "requires_safety_checker": false,
      "safety_checker": [null, null],
      "scheduler": ["diffusers", "\(schedulerClass)"],
      "text_encoder": ["transformers", "CLIPTextModel"],
      "tokenizer": ["transformers", "CLIPTokenizer"],
      "unet": ["diffusers", "UNet2DConditionModel"],
      "vae": ["diffusers", "AutoencoderKL"]
    }
    """
  }

  private var schedulerClass: String { self == .sd21 ? "DDIMScheduler" : "PNDMScheduler" }

  private var schedulerJSON: String {
    """
    {
      "_class_name": "\(schedulerClass)",
      "beta_end": 0.012,
      "beta_schedule": "scaled_linear",
      "beta_start": 0.00085,
      "clip_sample": false,
      "num_train_timesteps": 1000,
      "prediction_type": "\(self == .sd21 ? "v_prediction" : "epsilon")",
      "set_alpha_to_one": false,
      "skip_prk_steps": true,
      "steps_offset": 1,
      "trained_betas": null
    }
    """
  }

  private var unetJSON: String {
    let secondGeneration = """
      ,
        "dual_cross_attention": false,
        "num_class_embeds": null,
        "only_cross_attention": false,
        "upcast_attention": \(self == .sd21),
        "use_linear_projection": true
      """
    return """
      {
        "_class_name": "UNet2DConditionModel",
        "act_fn": "silu",
        "attention_head_dim": \(self == .sd15 ? "8" : "[5, 10, 20, 20]"),
        "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": false,
        "cross_attention_dim": \(self == .sd15 ? 768 : 1024),
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1,
        "flip_sin_to_cos": true,
        "freq_shift": 0,
        "in_channels": 4,
        "layers_per_block": 2,
        "mid_block_scale_factor": 1,
        "norm_eps": 1e-05,
        "norm_num_groups": 32,
        "out_channels": 4,
        "sample_size": \(side),
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]\
      \(self == .sd15 ? "" : secondGeneration)
      }
      """
  }

  private var textEncoderJSON: String {
    let isFirst = self == .sd15
    return """
      {
        "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "hidden_act": "\(isFirst ? "quick_gelu" : "gelu")",
        "hidden_size": \(isFirst ? 768 : 1024),
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": \(isFirst ? 3072 : 4096),
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77,
        "model_type": "clip_text_model",
        "num_attention_heads": \(isFirst ? 12 : 16),
        "num_hidden_layers": \(isFirst ? 12 : 23),
        "pad_token_id": 1,
        "projection_dim": \(isFirst ? 768 : 512),
        "vocab_size": \(TokenizerFolder.standardVocabularySize)
      }
      """
  }

  private var autoencoderJSON: String {
    """
    {
      "_class_name": "AutoencoderKL",
      "act_fn": "silu",
      "block_out_channels": [128, 256, 512, 512],
      "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
      "in_channels": 3,
      "latent_channels": 4,
      "layers_per_block": 2,
      "norm_num_groups": 32,
      "out_channels": 3,
      "sample_size": \(8 * side),
      "scaling_factor": 0.18215,
      "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]
    }
    """
  }
}
