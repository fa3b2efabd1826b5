import ArgumentParser
import DreamBooth

/// How long and how strongly the model is trained.
struct OptimizerOptions: ParsableArguments {
  @Option(help: "Photos in one batch; as many class pictures join them. (default: 4)")
  var trainBatchSize: Int?

  @Option(help: "How often the larger folder is gone through, unless --max-train-steps is given. (default: 1)")
  var numTrainEpochs: Int?

  @Option(help: "The number of optimiser steps.")
  var maxTrainSteps: Int?

  @Option(help: "How many batches one optimiser step averages over. (default: 1)")
  var gradientAccumulationSteps: Int?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Compute activations twice instead of keeping them: less memory, more time, the same numbers.")
  var gradientCheckpointing = false

  @Option(
    help: ArgumentHelp(
      """
      The type that the networks compute in, where the device has it; weights and moments stay in float32. \
      (default: no, which is float32)
      """, valueName: "no|fp16|bf16"))
  var mixedPrecision: MixedPrecision?

  @OptionGroup var memorySaving: MemorySavingOptions

  @Option(help: "The highest learning rate. (default: 5e-6; 1e-4 with --lora; 5e-4 for new words alone)")
  var learningRate: Double?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Multiply the learning rate by batch size and accumulation steps.")
  var scaleLr = false

  @Option(help: ArgumentHelp("How the rate moves over the run. (default: constant)", valueName: "curve"))
  var lrScheduler: LearningRateSchedule.Curve?

  @Option(help: "Steps over which the rate rises from zero. (default: 0; 500 in diffusers, longer than many runs)")
  var lrWarmupSteps: Int?

  @Option(help: "How often cosine_with_restarts starts over. (default: 1)")
  var lrNumCycles: Int?

  @Option(help: "The exponent of polynomial. (default: 1)")
  var lrPower: Double?

  @Option(name: .customLong("adam-beta1"), help: "AdamW's decay of the mean gradient. (default: 0.9)")
  var adamBeta1: Double?

  @Option(name: .customLong("adam-beta2"), help: "AdamW's decay of the mean squared gradient. (default: 0.999)")
  var adamBeta2: Double?

  @Option(help: "AdamW's decay of the weights. (default: 0.01)")
  var adamWeightDecay: Double?

  @Option(help: "What AdamW adds to the root of the mean squared gradient. (default: 1e-8)")
  var adamEpsilon: Double?

  @Option(help: "The norm that gradients are clipped to; inf for none. (default: 1)")
  var maxGradNorm: Float?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Shift each channel of the noise a little.")
  var offsetNoise = false

  @Option(
    help: """
      The gamma of min-SNR loss weights, usually 5. They are the paper's, for photos and class pictures alike; diffusers \
      weighs photos alone, and otherwise for models that predict velocity.
      """)
  var snrGamma: Double?

  func apply(to configuration: inout TrainingConfiguration) {
    configuration.maxTrainSteps = maxTrainSteps
    configuration.gradientCheckpointing = gradientCheckpointing
    memorySaving.apply(to: &configuration)
    configuration.scaleLr = scaleLr
    configuration.offsetNoise = offsetNoise
    configuration.snrGamma = snrGamma
    trainBatchSize.map { configuration.trainBatchSize = $0 }
    numTrainEpochs.map { configuration.numTrainEpochs = $0 }
    gradientAccumulationSteps.map { configuration.gradientAccumulationSteps = $0 }
    mixedPrecision.map { configuration.mixedPrecision = $0 }
    learningRate.map { configuration.learningRate = $0 }
    lrScheduler.map { configuration.lrScheduler = $0 }
    lrWarmupSteps.map { configuration.lrWarmupSteps = $0 }
    lrNumCycles.map { configuration.lrNumCycles = $0 }
    lrPower.map { configuration.lrPower = $0 }
    adamBeta1.map { configuration.adamBeta1 = $0 }
    adamBeta2.map { configuration.adamBeta2 = $0 }
    adamWeightDecay.map { configuration.adamWeightDecay = $0 }
    adamEpsilon.map { configuration.adamEpsilon = $0 }
    maxGradNorm.map { configuration.maxGradNorm = $0 }
  }
}

extension LearningRateSchedule.Curve: ExpressibleByArgument {}
extension MixedPrecision: ExpressibleByArgument {}
