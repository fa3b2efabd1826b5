import Foundation

/// The record of a run as lines of JSON: first its configuration, then one line for each step.
///
/// Every line is in the file when `append` returns. A run that is resumed first removes the lines of the steps that it
/// is going to repeat, so that no step stands there twice.
final class RunLog {
  /// The name of the log in a run's output folder.
  static let fileName = "log.jsonl"

  private struct ConfigurationLine: Encodable {
    var configuration: TrainingConfiguration
  }

  /// The first line, which an earlier version may have written.
  private struct FirstLine: Decodable {
    var configuration: [String: OptionValue]
  }

  private struct NumberedLine: Decodable {
    var step: Int
  }

  private let path: String
  private let file: FileHandle

  /// Begins or continues the log in a folder.
  ///
  /// - Parameter resumedStep: the step of the checkpoint the run goes on from; `nil` for a new run, which moves an
  ///   older log out of its way to `log.1.jsonl` and so on.
  /// - Throws: `FileError` where the log cannot be read or written.
  init(in folder: URL, _ configuration: TrainingConfiguration, resumedStep: Int?) throws {
    let url = folder.appending(path: RunLog.fileName)
    path = url.path(percentEncoded: false)
    let exists = FileManager.default.fileExists(atPath: path)
    if let resumedStep, exists {
      try RunLog.cut(path, after: resumedStep)
    } else {
      if exists { try RunLog.setAside(url, in: folder) }
      try RunLog.write(RunLog.line(ConfigurationLine(configuration: configuration)), to: path)
    }
    do {
      file = try FileHandle(forWritingTo: url)
      try file.seekToEnd()
    } catch {
      throw RunLog.unwritable(path, error)
    }
  }

  deinit {
    // Every line has already been written; closing can lose nothing.
    _ = try? file.close()
  }

  /// Adds the line of a step.
  ///
  /// - Throws: `FileError`, for instance on a full disk.
  func append(_ record: StepRecord) throws {
    let line = try RunLog.line(record)
    do {
      try file.write(contentsOf: line)
    } catch {
      throw RunLog.unwritable(path, error)
    }
  }

  /// Keeps the lines up to a step; a line that was cut short by a crash goes too.
  private static func cut(_ path: String, after step: Int) throws {
    let text: Data
    do {
      text = try Data(contentsOf: URL(filePath: path))
    } catch {
      throw FileError(path: path, action: .read, underlying: error)
    }
    let decoder = RunJSON.decoder
    var kept = Data()
    for line in text.split(separator: UInt8(ascii: "\n")) {
      if let numbered = try? decoder.decode(NumberedLine.self, from: line) {
        guard numbered.step <= step else { continue }
      } else if (try? decoder.decode(FirstLine.self, from: line)) == nil {
        continue
      }
      kept += line + [UInt8(ascii: "\n")]
    }
    try write(kept, to: path)
  }

  private static func setAside(_ url: URL, in folder: URL) throws {
    var number = 1
    func place() -> URL { folder.appending(path: "log.\(number).jsonl") }
    while FileManager.default.fileExists(atPath: place().path(percentEncoded: false)) { number += 1 }
    do {
      try FileManager.default.moveItem(at: url, to: place())
    } catch {
      throw unwritable(url.path(percentEncoded: false), error)
    }
  }

  private static func line(_ value: some Encodable) throws -> Data {
    try RunJSON.encoder.encode(value) + [UInt8(ascii: "\n")]
  }

  private static func write(_ text: Data, to path: String) throws(FileError) {
    var file = try AtomicFile(path: path)
    try file.append([UInt8](text))
    try file.commit()
  }

  private static func unwritable(_ path: String, _ error: any Error) -> FileError {
    FileError(path: path, action: .write, underlying: error)
  }
}
