import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool inspect`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Say what a model or a file of weights consists of, and what training it would take.")

  @Argument(help: ArgumentHelp("A diffusers folder, a single file, or any other file of weights.", valueName: "model"))
  var model: String

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Print JSON.")
  var json = false

  @OptionGroup var reading: ModelReadingOptions

  func run() throws {
    let url = URL(filePath: model)
    let isFile = FileManager.default.fileExists(atPath: model) && !url.isFolder
    let report = try isFile ? WeightFileReport(url) : nil
    var file = report.map { FileInspection($0) }
    let whole: ModelInspection?
    do {
      whole = try modelInspection(report)
    } catch let error as SingleFileError where file != nil {
      // There is less to say of a model whose shape is not known.
      file?.oddities.append("\(error).")
      whole = nil
    }
    let inspection = Inspection(file, whole)
    print(json ? try JSON.text(inspection) : inspection.text)
  }

  /// What there is to say of a whole model; nil where a file is none.
  private func modelInspection(_ report: WeightFileReport?) throws -> ModelInspection? {
    switch report?.kind {
    case nil: return try ModelInspection(reading.model(model))
    // Models for other tasks are known by their files alone.
    case .singleFile(let kind)? where kind.inputChannels == 4: return try ModelInspection(reading.model(model))
    default: return nil
    }
  }
}

/// What there is to say of a file, of a model, or of a file that is one.
private struct Inspection: Encodable {
  private let file: FileInspection?
  private let model: ModelInspection?

  init(_ file: FileInspection?, _ model: ModelInspection?) {
    self.file = file
    self.model = model
  }

  private enum CodingKeys: CodingKey { case file }

  /// The model's members, with those of the file beside them under a name of their own.
  func encode(to encoder: any Encoder) throws {
    try model?.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(file, forKey: .file)
  }

  var text: String { [file?.text, model?.text].compactMap { $0 }.joined(separator: "\n") }
}
