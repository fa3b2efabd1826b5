import ArgumentParser
import DreamBooth
import Foundation

/// The model of a command that needs its shape rather than what it has learned.
struct ModelSource: ParsableArguments {
  @Option(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "model"))
  var model: String?

  @Option(help: "Instead of a model one of a published shape, with random weights: \(StandardModel.list).")
  var like: StandardModel?

  @OptionGroup var reading: ModelReadingOptions

  func validate() throws {
    if model != nil && like != nil { throw ValidationError("--model and --like exclude each other") }
  }

  /// Makes sure that there is one.
  func require() throws(ValidationError) {
    if model == nil && like == nil { throw ValidationError("give --model FOLDER, or --like \(StandardModel.list)") }
  }

  /// Its name for people.
  var name: String { like?.rawValue ?? model ?? "" }

  /// The model; one without a folder is made when it is loaded.
  func folder() throws -> ModelFolder {
    if let like { return try like.untrained() }
    return try reading.model(model ?? "")
  }
}

extension StandardModel: ExpressibleByArgument {
  static let list = allCases.map(\.rawValue).joined(separator: ", ")
}
