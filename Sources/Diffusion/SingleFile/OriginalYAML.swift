extension ModelFolder {
  /// The configuration of this model as the original implementation reads it.
  var originalYAML: String {
    let unet = unetConfiguration
    let takesPicture = unet.inputChannels != unet.outputChannels
    let model = takesPicture ? "LatentInpaintDiffusion" : "LatentDiffusion"
    return """
      model:
        target: ldm.models.diffusion.ddpm.\(model)
        params:
          parameterization: "\(schedulerConfiguration.predictionType == .velocity ? "v" : "eps")"
          linear_start: \(schedulerConfiguration.betaStart ?? 0.00085)
          linear_end: \(schedulerConfiguration.betaEnd ?? 0.012)
          num_timesteps_cond: 1
          timesteps: \(schedulerConfiguration.trainTimestepCount ?? SchedulerConfig.standardTimestepCount)
          first_stage_key: "jpg"
          cond_stage_key: "txt"
          image_size: \(unet.sampleHeight ?? 64)
          channels: \(unet.outputChannels)
          cond_stage_trainable: false
          conditioning_key: \(takesPicture ? "hybrid" : "crossattn")
          monitor: val/loss_simple_ema
          scale_factor: \(autoencoderConfiguration.scalingFactor)
          use_ema: false
          unet_config:
      \(unetYAML)
          first_stage_config:
      \(autoencoderYAML)
          cond_stage_config:
      \(textEncoderYAML)

      """
  }

  private var unetYAML: String {
    let unet = unetConfiguration
    let levels = unet.blockChannels.indices
    let attending = levels.filter { unet.downBlockTypes[$0] == .crossAttention }.map { 1 << $0 }.reversed()
    // Heads are given by their number or by their size, whichever is the same on all levels.
    let sizes = Set(levels.map { unet.blockChannels[$0] / unet.attentionHeads[$0] })
    let heads =
      sizes.count == 1 ? "num_head_channels: \(sizes.first!)" : "num_heads: \(unet.attentionHeads[0])"
    return """
              target: ldm.modules.diffusionmodules.openaimodel.UNetModel
              params:
                image_size: 32
                in_channels: \(unet.inputChannels)
                out_channels: \(unet.outputChannels)
                model_channels: \(unet.blockChannels[0])
                attention_resolutions: \(Array(attending))
                num_res_blocks: \(unet.layersPerBlock[0])
                channel_mult: \(unet.blockChannels.map { $0 / unet.blockChannels[0] })
                \(heads)
                use_spatial_transformer: true
                use_linear_in_transformer: \(unet.usesLinearProjection)
                transformer_depth: \(unet.transformerLayersPerBlock[0])
                context_dim: \(unet.crossAttentionWidth[0])
                use_checkpoint: true
                legacy: false
      """
  }

  private var autoencoderYAML: String {
    let autoencoder = autoencoderConfiguration
    return """
              target: ldm.models.autoencoder.AutoencoderKL
              params:
                embed_dim: \(autoencoder.latentChannels)
                monitor: val/rec_loss
                ddconfig:
                  double_z: true
                  z_channels: \(autoencoder.latentChannels)
                  resolution: 256
                  in_channels: \(autoencoder.inputChannels)
                  out_ch: \(autoencoder.outputChannels)
                  ch: \(autoencoder.blockChannels[0])
                  ch_mult: \(autoencoder.blockChannels.map { $0 / autoencoder.blockChannels[0] })
                  num_res_blocks: \(autoencoder.layersPerBlock)
                  attn_resolutions: []
                  dropout: 0.0
                lossconfig:
                  target: torch.nn.Identity
      """
  }

  private var textEncoderYAML: String {
    switch layout.text {
    case .clip: "        target: ldm.modules.encoders.modules.FrozenCLIPEmbedder"
    case .openCLIP:
      """
              target: ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder
              params:
                freeze: true
                layer: "penultimate"
      """
    }
  }
}
