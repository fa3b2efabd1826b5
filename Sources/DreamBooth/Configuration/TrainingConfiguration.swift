import Foundation

/// Every option of a training run.
///
/// Options carry the names of diffusers' `train_dreambooth.py`, in files and in errors with its underscores. Defaults
/// are its defaults too, except where those are a known trap; each such case says so. A run stores its configuration
/// in its checkpoints and in the first line of its log.
public struct TrainingConfiguration: Sendable, Hashable, Codable {
  // MARK: Model and pictures

  /// The model to start from: a diffusers folder or a single file.
  public var pretrainedModelNameOrPath: String
  /// The variant of a folder's weights, such as fp16; the plain files where left out.
  public var variant: String?
  /// For a single file: the diffusers folder whose tokenizer and configurations go with it.
  public var config: String?
  /// For a single file: what the model predicts; found out where left out.
  public var predictionType: PredictionType?
  /// For a single file: whether to start from the averaged (EMA) weights.
  public var ema = false
  /// The folder with the pictures of the subject.
  public var instanceDataDir: String
  /// The prompt that names the subject, such as "a photo of sks dog".
  public var instancePrompt: String
  /// The folder for the trained model, its checkpoints, samples and log.
  public var outputDir: String
  /// What every random number of the run derives from; left out, one is drawn and recorded (diffusers: not recorded).
  public var seed: UInt64?
  /// The side of the square the model is trained on, in pixels.
  public var resolution = 512
  /// Whether the middle of each picture is used instead of a random part (diffusers: random, which cuts off heads).
  public var centerCrop = true
  /// Whether pictures are mirrored at random.
  public var randomFlip = false
  /// How pictures are resized; the names and the numbers are those of PIL.
  public var imageInterpolationMode = ResamplingFilter.bilinear

  // MARK: Prior preservation

  /// Whether the model is also trained on pictures of the class, so that it does not forget what they look like.
  public var withPriorPreservation = false
  /// The folder with the pictures of the class; missing ones are generated into it.
  public var classDataDir: String?
  /// The prompt that names the class, such as "a photo of a dog".
  public var classPrompt: String?
  /// The factor on the loss of the class pictures.
  public var priorLossWeight: Float = 1
  /// How many class pictures are used, and generated where the folder holds fewer.
  public var numClassImages = 100
  /// How many pictures are generated at a time.
  public var sampleBatchSize = 4
  /// The denoising steps of a class picture.
  public var classInferenceSteps = 50

  // MARK: Length and batches

  /// Whether the UNet is trained; not where new words or the text encoder are to learn alone.
  public var trainUnet = true
  /// Whether the text encoder is trained along with the UNet.
  public var trainTextEncoder = false
  /// The instance pictures in one batch; as many class pictures join them under prior preservation.
  public var trainBatchSize = 4
  /// How often the larger of the two folders is gone through, where `maxTrainSteps` does not say more.
  public var numTrainEpochs = 1
  /// The number of optimiser steps.
  public var maxTrainSteps: Int?
  /// How many batches one optimiser step averages over.
  public var gradientAccumulationSteps = 1
  /// Whether activations are computed twice instead of being kept, to save memory.
  public var gradientCheckpointing = false
  /// The type that the networks compute in, also for class pictures and samples.
  public var mixedPrecision = MixedPrecision.no
  /// Whether trained weights exist in bf16 alone, rounded at random by each step, instead of in Float32 with a copy; needs
  /// `mixedPrecision` bf16. The name is kohya-ss's.
  public var fullBf16 = false

  // MARK: Adapters

  /// Adapters to train in place of the networks' own weights; `nil` to train those.
  public var lora: LoRAConfiguration?

  // MARK: New words

  /// Words that are to be learned (textual inversion; Gal et al., 2023), which the instance prompt contains.
  public var placeholderToken: [String]?
  /// For each of them a word of one token whose vector it begins with.
  public var initializerToken: [String]?
  /// How many vectors, and thereby tokens, each new word has; one where left out.
  public var numVectors: Int?

  // MARK: Optimiser

  /// The highest learning rate.
  public var learningRate = 5e-6
  /// Whether the learning rate is multiplied by batch size and accumulation steps.
  public var scaleLr = false
  /// How the learning rate moves over the run.
  public var lrScheduler = LearningRateSchedule.Curve.constant
  /// The optimiser steps over which the rate rises from zero (diffusers: 500, which many runs never get past).
  public var lrWarmupSteps = 0
  /// How often `cosine_with_restarts` starts over.
  public var lrNumCycles = 1
  /// The exponent of `polynomial`.
  public var lrPower = 1.0
  /// AdamW's decay of the mean gradient.
  public var adamBeta1 = 0.9
  /// AdamW's decay of the mean squared gradient.
  public var adamBeta2 = 0.999
  /// AdamW's decay of the weights.
  public var adamWeightDecay = 1e-2
  /// What AdamW adds to the root of the mean squared gradient.
  public var adamEpsilon = 1e-8
  /// The norm that the gradients of everything trained are clipped to together.
  public var maxGradNorm: Float = 1
  /// Whether AdamW keeps its moments in 8 bits, quantised by blocks (Dettmers et al., 2022).
  public var use8bitAdam = false
  /// Whether each weight takes its step during the backward pass and its gradient is not kept: one batch a step, and no
  /// clipping, which needs all gradients. The name is kohya-ss's and OneTrainer's.
  public var fusedBackwardPass = false

  // MARK: Loss

  /// Whether each channel of the noise is shifted by a tenth of a normal number, which helps with very dark and very
  /// bright pictures.
  public var offsetNoise = false
  /// The γ of the min-SNR weights (Hang et al., 2023), usually 5, on the instance and on the prior loss alike
  /// (diffusers: on the instance loss alone, and not the paper's weights where the model predicts velocity).
  public var snrGamma: Double?

  // MARK: Checkpoints and samples

  /// The optimiser steps between checkpoints.
  public var checkpointingSteps = 500
  /// How many checkpoints are kept, the oldest being deleted first; all where left out.
  public var checkpointsTotalLimit: Int?
  /// A checkpoint folder to continue from, or `latest` for the newest whole one in `outputDir`.
  public var resumeFromCheckpoint: String?
  /// The prompt of the pictures that are generated during training; none where left out.
  public var validationPrompt: String?
  /// How many pictures are generated each time.
  public var numValidationImages = 4
  /// The optimiser steps between them.
  public var validationSteps = 100
  /// The denoising steps of such a picture.
  public var validationInferenceSteps = 25
  /// The sampler of class pictures and samples; the model's own where left out.
  public var scheduler: SamplerName?
  /// The strength of classifier-free guidance for class pictures and samples.
  public var guidanceScale: Float = 7.5

  /// The defaults for a model, a subject and a place for the result.
  public init(pretrainedModelNameOrPath: String, instanceDataDir: String, instancePrompt: String, outputDir: String) {
    self.pretrainedModelNameOrPath = pretrainedModelNameOrPath
    self.instanceDataDir = instanceDataDir
    self.instancePrompt = instancePrompt
    self.outputDir = outputDir
  }

  /// An option, under the name it has in files, flags and errors.
  public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
    case pretrainedModelNameOrPath = "pretrained_model_name_or_path"
    case variant
    case config
    case predictionType = "prediction_type"
    case ema
    case instanceDataDir = "instance_data_dir"
    case instancePrompt = "instance_prompt"
    case outputDir = "output_dir"
    case seed
    case resolution
    case centerCrop = "center_crop"
    case randomFlip = "random_flip"
    case imageInterpolationMode = "image_interpolation_mode"
    case withPriorPreservation = "with_prior_preservation"
    case classDataDir = "class_data_dir"
    case classPrompt = "class_prompt"
    case priorLossWeight = "prior_loss_weight"
    case numClassImages = "num_class_images"
    case sampleBatchSize = "sample_batch_size"
    case classInferenceSteps = "class_inference_steps"
    case trainUnet = "train_unet"
    case trainTextEncoder = "train_text_encoder"
    case trainBatchSize = "train_batch_size"
    case numTrainEpochs = "num_train_epochs"
    case maxTrainSteps = "max_train_steps"
    case gradientAccumulationSteps = "gradient_accumulation_steps"
    case gradientCheckpointing = "gradient_checkpointing"
    case mixedPrecision = "mixed_precision"
    case fullBf16 = "full_bf16"
    case lora
    case placeholderToken = "placeholder_token"
    case initializerToken = "initializer_token"
    case numVectors = "num_vectors"
    case learningRate = "learning_rate"
    case scaleLr = "scale_lr"
    case lrScheduler = "lr_scheduler"
    case lrWarmupSteps = "lr_warmup_steps"
    case lrNumCycles = "lr_num_cycles"
    case lrPower = "lr_power"
    case adamBeta1 = "adam_beta1"
    case adamBeta2 = "adam_beta2"
    case adamWeightDecay = "adam_weight_decay"
    case adamEpsilon = "adam_epsilon"
    case maxGradNorm = "max_grad_norm"
    case use8bitAdam = "use_8bit_adam"
    case fusedBackwardPass = "fused_backward_pass"
    case offsetNoise = "offset_noise"
    case snrGamma = "snr_gamma"
    case checkpointingSteps = "checkpointing_steps"
    case checkpointsTotalLimit = "checkpoints_total_limit"
    case resumeFromCheckpoint = "resume_from_checkpoint"
    case validationPrompt = "validation_prompt"
    case numValidationImages = "num_validation_images"
    case validationSteps = "validation_steps"
    case validationInferenceSteps = "validation_inference_steps"
    case scheduler
    case guidanceScale = "guidance_scale"
  }
}

extension TrainingConfiguration {
  /// What is said of the model besides where it is.
  public var modelOptions: ModelOptions {
    var options = ModelOptions()
    options.variant = variant
    options.configuration = config.map { URL(filePath: $0) }
    options.predictionType = predictionType
    options.usesAverages = ema
    return options
  }

  /// The constants of the optimiser.
  public var adamW: AdamWConstants {
    AdamWConstants(beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon, weightDecay: adamWeightDecay)
  }

  /// The pictures of one batch: the instance pictures and, under prior preservation, as many of the class.
  public var batchCount: Int { withPriorPreservation ? 2 * trainBatchSize : trainBatchSize }

  /// The number of optimiser steps.
  ///
  /// An epoch goes once through the larger of the two folders, as in diffusers.
  public func stepCount(instanceImages: Int, classImages: Int) -> Int {
    if let maxTrainSteps { return maxTrainSteps }
    let batches = (max(instanceImages, classImages) + trainBatchSize - 1) / trainBatchSize
    return numTrainEpochs * ((batches + gradientAccumulationSteps - 1) / gradientAccumulationSteps)
  }

  /// The learning rate of every step of a run of `stepCount` optimiser steps.
  public func learningRateSchedule(stepCount: Int) -> LearningRateSchedule {
    let scale = scaleLr ? Double(gradientAccumulationSteps * trainBatchSize) : 1
    return LearningRateSchedule(
      lrScheduler, base: learningRate * scale, warmupSteps: lrWarmupSteps, totalSteps: stepCount, cycles: lrNumCycles,
      power: lrPower)
  }
}

extension SamplerName: Codable {}
extension PredictionType: Codable {}
