import Foundation
import Yams

/// The YAML file that stands beside a single file and says how its model is to be run.
///
/// The original implementation needs one for every model. Where it has the name of the model's file, WebUIs follow it.
package struct SingleFileYAML {
  /// What the model predicts.
  package let predictionType: PredictionType

  /// Where the file of a model is looked for.
  static func url(beside model: URL) -> URL { model.deletingPathExtension().appendingPathExtension("yaml") }

  private struct Contents: Decodable {
    struct Model: Decodable { let params: Parameters }
    struct Parameters: Decodable { let parameterization: String? }

    let model: Model
  }

  /// Reads the file beside a model; nil where there is none.
  ///
  /// - Throws: `SingleFileError.badYAML`.
  package init?(beside model: URL) throws {
    let url = Self.url(beside: model)
    let path = url.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do {
      let contents = try YAMLDecoder().decode(Contents.self, from: YAMLText.read(url))
      switch contents.model.params.parameterization ?? "eps" {
      case "eps": predictionType = .epsilon
      case "v": predictionType = .velocity
      case "x0": predictionType = .sample
      case let other: throw SingleFileError.badYAML(file: path, reason: "it sets parameterization to '\(other)'")
      }
    } catch let error as SingleFileError {
      throw error
    } catch {
      throw SingleFileError.badYAML(file: path, reason: YAMLText.reason(error))
    }
  }
}
