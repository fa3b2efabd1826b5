import ArgumentParser
import DreamBooth

/// What a run writes on its way.
struct OutputOptions: ParsableArguments {
  @Option(help: "Steps between checkpoints. (default: 500)")
  var checkpointingSteps: Int?

  @Option(help: "How many checkpoints are kept; the oldest goes first. All where left out.")
  var checkpointsTotalLimit: Int?

  @Option(help: ArgumentHelp("A checkpoint folder to continue from, or 'latest'.", valueName: "checkpoint"))
  var resumeFromCheckpoint: String?

  @Option(help: ArgumentHelp("The prompt of the sample pictures; none are made where left out.", valueName: "prompt"))
  var validationPrompt: String?

  @Option(help: "How many sample pictures are made each time. (default: 4)")
  var numValidationImages: Int?

  @Option(help: "Steps between sample pictures. (default: 100)")
  var validationSteps: Int?

  @Option(help: "The denoising steps of a sample picture. (default: 25)")
  var validationInferenceSteps: Int?

  @Option(help: "The sampler of class and sample pictures: \(SamplerName.list); the model's own where left out.")
  var scheduler: SamplerName?

  @Option(help: "The guidance for class and sample pictures. (default: 7.5)")
  var guidanceScale: Float?

  func apply(to configuration: inout TrainingConfiguration) {
    configuration.checkpointsTotalLimit = checkpointsTotalLimit
    configuration.resumeFromCheckpoint = resumeFromCheckpoint
    configuration.validationPrompt = validationPrompt
    configuration.scheduler = scheduler
    checkpointingSteps.map { configuration.checkpointingSteps = $0 }
    numValidationImages.map { configuration.numValidationImages = $0 }
    validationSteps.map { configuration.validationSteps = $0 }
    validationInferenceSteps.map { configuration.validationInferenceSteps = $0 }
    guidanceScale.map { configuration.guidanceScale = $0 }
  }
}
