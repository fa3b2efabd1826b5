import ArgumentParser
import DreamBooth

/// What is trained on what.
struct SubjectOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The model to start from: a diffusers folder or a single file.", valueName: "model"))
  var pretrainedModelNameOrPath: String

  @OptionGroup var reading: ModelReadingOptions

  @Option(help: ArgumentHelp("The folder with the photos of the subject.", valueName: "folder"))
  var instanceDataDir: String

  @Option(help: ArgumentHelp("The prompt that names the subject, such as \"a photo of sks dog\".", valueName: "prompt"))
  var instancePrompt: String

  @Option(help: ArgumentHelp("The folder for the model, its checkpoints, samples and log.", valueName: "folder"))
  var outputDir: String

  @Option(help: "What all random numbers derive from. One is drawn and recorded where it is left out.")
  var seed: UInt64?

  @Option(help: "The side of the square the model is trained on, in pixels. (default: 512)")
  var resolution: Int?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Use the middle of each photo; otherwise a random part, as in diffusers, which cuts off heads.")
  var centerCrop = true

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Mirror photos at random.")
  var randomFlip = false

  @Option(help: ArgumentHelp("How photos are resized. (default: bilinear)", valueName: "filter"))
  var imageInterpolationMode: ResamplingFilter?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Train the UNet; not where the text encoder or new words are to learn alone.")
  var trainUnet = true

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Train the text encoder along with the UNet.")
  var trainTextEncoder = false

  /// A configuration with these options and all others at their defaults.
  func configuration() -> TrainingConfiguration {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: pretrainedModelNameOrPath, instanceDataDir: instanceDataDir,
      instancePrompt: instancePrompt, outputDir: outputDir)
    configuration.variant = reading.variant
    configuration.config = reading.config
    configuration.predictionType = reading.predictionType
    configuration.ema = reading.ema
    configuration.seed = seed
    configuration.centerCrop = centerCrop
    configuration.randomFlip = randomFlip
    configuration.trainUnet = trainUnet
    configuration.trainTextEncoder = trainTextEncoder
    resolution.map { configuration.resolution = $0 }
    imageInterpolationMode.map { configuration.imageInterpolationMode = $0 }
    return configuration
  }
}

extension ResamplingFilter: ExpressibleByArgument {}
