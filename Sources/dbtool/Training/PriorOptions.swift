import ArgumentParser
import DreamBooth

/// How the model is kept from forgetting the subject's class.
struct PriorOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Also train on pictures of the class, so that the model keeps its idea of it.")
  var withPriorPreservation = false

  @Option(help: ArgumentHelp("The folder of class pictures; missing ones are generated into it.", valueName: "folder"))
  var classDataDir: String?

  @Option(help: ArgumentHelp("The prompt that names the class, such as \"a photo of a dog\".", valueName: "prompt"))
  var classPrompt: String?

  @Option(help: "The factor on the loss of the class pictures. (default: 1)")
  var priorLossWeight: Float?

  @Option(help: "How many class pictures are used, and generated where there are fewer. (default: 100)")
  var numClassImages: Int?

  @Option(help: "How many class pictures are generated at a time. (default: 4)")
  var sampleBatchSize: Int?

  @Option(help: "The denoising steps of a class picture. (default: 50)")
  var classInferenceSteps: Int?

  func apply(to configuration: inout TrainingConfiguration) {
    configuration.withPriorPreservation = withPriorPreservation
    configuration.classDataDir = classDataDir
    configuration.classPrompt = classPrompt
    priorLossWeight.map { configuration.priorLossWeight = $0 }
    numClassImages.map { configuration.numClassImages = $0 }
    sampleBatchSize.map { configuration.sampleBatchSize = $0 }
    classInferenceSteps.map { configuration.classInferenceSteps = $0 }
  }
}
