import ArgumentParser
import DreamBooth
import Foundation

/// What may be said of a model besides where it is.
struct ModelReadingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "For a single file of unusual shape: a diffusers folder whose configurations and tokenizer go with it.",
      valueName: "folder"))
  var config: String?

  @Option(help: "For a folder: the variant of the weights, such as fp16. (default: the plain files)")
  var variant: String?

  @Option(help: "For a single file: what the model predicts, epsilon or v_prediction. (default: found out)")
  var predictionType: PredictionType?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "For a single file: take the averaged (EMA) weights, which make better pictures.")
  var ema = false

  /// The first of these options that was given.
  var given: String? {
    let options = [
      ("config", config != nil), ("variant", variant != nil), ("prediction-type", predictionType != nil), ("ema", ema),
    ]
    return options.first(where: \.1)?.0
  }

  /// The options of a model.
  func options(for use: ModelOptions.Use = .pictures) -> ModelOptions {
    var options = ModelOptions(use: use)
    options.configuration = config.map { URL(filePath: $0) }
    options.variant = variant
    options.predictionType = predictionType
    options.usesAverages = ema
    return options
  }

  /// Opens the model at a path.
  func model(_ path: String, for use: ModelOptions.Use = .pictures) throws -> ModelFolder {
    try ModelFolder(URL(filePath: path), options: options(for: use))
  }
}

extension PredictionType: ExpressibleByArgument {}
