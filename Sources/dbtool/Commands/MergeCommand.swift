import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool merge`.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Join two or three models of the same kind into one.",
    discussion: """
      Two models give A (1 - M) + B M, where M is the multiplier. Three give A + (B - C) M with --add-difference, \
      or the sum that --weights says. Everything but the weights comes from the first model. Where that one paints \
      into pictures and the others do not, it learns what they draw.
      """)

  @Argument(help: ArgumentHelp("The models and, last, the file or folder to write.", valueName: "models... out"))
  var paths: [String]

  @Option(help: "How much of the second model, or of the difference, is taken.")
  var multiplier: Float = 0.5

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Add to the first model what the second has more than the third.")
  var addDifference = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The factor of each model, such as 0.5,0.3,0.2.", valueName: "factors"))
  var weights: String?

  @Option(help: "The form of the result. (default: what its name ends in says)")
  var format: ModelForm?

  @OptionGroup var numbers: NumberOptions
  @OptionGroup var reading: ModelReadingOptions

  func validate() throws { _ = try rule() }

  /// What is asked for.
  private func rule() throws(ValidationError) -> MergeRule {
    let count = paths.count - 1
    guard (2...3).contains(count) else { throw ValidationError("give two or three models, and last where to write") }
    guard multiplier.isFinite else { throw ValidationError("--multiplier is \(multiplier) and must be a number") }
    if let weights {
      let factors = weights.split(separator: ",").compactMap { Float($0) }.filter(\.isFinite)
      guard factors.count == count, !addDifference else {
        throw ValidationError("--weights is \(weights) and must be \(count) numbers with commas between")
      }
      return .weightedSum(factors: factors)
    }
    guard addDifference == (count == 3) else {
      throw ValidationError("three models need --add-difference or --weights, and two of them go without the former")
    }
    return addDifference ? .addDifference(factor: multiplier) : .weightedSum(factors: [1 - multiplier, multiplier])
  }

  func run() throws {
    let output = paths.last ?? ""
    try OutputPath.requireFree(output)
    let models = try paths.dropLast().map { try reading.model($0, for: .conversion) }
    try ModelFolder.merging(models, by: rule()).write(to: output, as: format, numbers.dtype)
  }
}
