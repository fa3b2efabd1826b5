import ArgumentParser
import DreamBooth

/// New words to learn.
struct WordOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A new word in --instance-prompt that is to be learned (textual inversion), such as "<my-dog>"; with \
      --no-train-unet nothing else is. Repeat it for several.
      """, valueName: "word"))
  var placeholderToken: [String] = []

  @Option(help: ArgumentHelp("The known word that a new one begins with, once for each.", valueName: "word"))
  var initializerToken: [String] = []

  @Option(help: "The vectors, and thereby tokens, of each new word. (default: 1)")
  var numVectors: Int?

  func apply(to configuration: inout TrainingConfiguration) {
    configuration.placeholderToken = placeholderToken.isEmpty ? nil : placeholderToken
    configuration.initializerToken = initializerToken.isEmpty ? nil : initializerToken
    configuration.numVectors = numVectors
    if !placeholderToken.isEmpty, !configuration.trainUnet, !configuration.trainTextEncoder {
      configuration.learningRate = TrainingConfiguration.wordLearningRate
    }
  }
}
