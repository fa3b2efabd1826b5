import Foundation
import TestSupport
import Testing

/// A folder to run the program in, with a tiny model in `model` and three photos in `photos`.
struct Workplace {
  private let home: TemporaryFolder
  /// The current folder of the program.
  var url: URL { home.url.appending(path: "work", directoryHint: .isDirectory) }

  init(model: String = "tiny-sd1") throws {
    home = try TemporaryFolder()
    try makeFolder("photos")
    try copy(Fixtures.model(model), to: "model")
    for photo in ["progressive.jpg", "rgb8.png", "exif6.jpg"] {
      try copy(Fixtures.folder.appending(path: "images/\(photo)"), to: "photos/\(photo)")
    }
  }

  // MARK: - Files

  /// Where something in the folder is.
  func file(_ path: String) -> URL { url.appending(path: path) }

  func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(at: file(path), withIntermediateDirectories: true)
  }

  func copy(_ source: URL, to path: String) throws { try FileManager.default.copyItem(at: source, to: file(path)) }

  func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: file(path)) }

  func remove(_ path: String) throws { try FileManager.default.removeItem(at: file(path)) }

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: file(path).path(percentEncoded: false)) }

  func data(_ path: String) throws -> Data { try Data(contentsOf: file(path)) }

  /// The names in a folder, sorted.
  func names(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: file(path).path(percentEncoded: false)).sorted()
  }

  /// Everything under a folder by its path: the bytes of files, where links lead, and nothing for folders.
  func tree(_ path: String = "") throws -> [String: Data] {
    let root = path.isEmpty ? url : file(path)
    var tree: [String: Data] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: root.path(percentEncoded: false)) {
      let entry = root.appending(path: path)
      let entryPath = entry.path(percentEncoded: false)
      switch try FileManager.default.attributesOfItem(atPath: entryPath)[.type] as? FileAttributeType {
      case FileAttributeType.typeDirectory: tree[path] = Data()
      case FileAttributeType.typeSymbolicLink:
        tree[path] = Data(try FileManager.default.destinationOfSymbolicLink(atPath: entryPath).utf8)
      default: tree[path] = try Data(contentsOf: entry)
      }
    }
    return tree
  }

  // MARK: - Running the program

  /// Starts the program in the folder.
  func start(_ arguments: [String], environment: [String: String] = [:], input: String = "") throws -> Program {
    try Program(arguments, in: url, environment: environment, records: home.url, input: input)
  }

  /// Runs the program in the folder.
  func run(_ arguments: [String], environment: [String: String] = [:], input: String = "") throws -> Program.Outcome {
    try start(arguments, environment: environment, input: input).finish()
  }

  /// Runs the program and expects it to succeed.
  @discardableResult
  func succeed(
    _ arguments: [String], environment: [String: String] = [:], input: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Program.Outcome {
    let outcome = try run(arguments, environment: environment, input: input)
    #expect(outcome.hasExited && outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
    return outcome
  }

  /// Runs the program and expects a single line of complaint that has all of `words`, and nothing changed on disk.
  func expectRefusal(
    _ arguments: [String], environment: [String: String] = [:], naming words: [String],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try tree()
    let outcome = try run(arguments, environment: environment)
    let lines = outcome.errors.split(separator: "\n")
    let complaints = lines.filter { $0.hasPrefix("dbtool: ") }
    #expect(outcome.hasExited && outcome.status != 0, "\(outcome)", sourceLocation: sourceLocation)
    #expect(complaints.count == 1 && lines.last == complaints.first, "\(lines)", sourceLocation: sourceLocation)
    for word in words {
      #expect(lines.last?.contains(word) == true, "\(lines) should name \(word)", sourceLocation: sourceLocation)
    }
    #expect(outcome.output == "", sourceLocation: sourceLocation)
    #expect(try tree() == before, sourceLocation: sourceLocation)
  }

  /// The arguments of a short training run into `out`; those given come last and so count more.
  func training(_ others: [String] = []) -> [String] {
    [
      "train", "--pretrained_model_name_or_path", "model", "--instance_data_dir", "photos", "--instance_prompt",
      "a photo of sks dog", "--output_dir", "out", "--resolution", "16", "--train_batch_size", "1",
      "--max_train_steps", "4", "--learning_rate", "1e-3", "--seed", "7",
    ] + others
  }
}
