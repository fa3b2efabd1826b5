import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool demo`.
struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Teach the model that comes with the project a new subject, and draw what it learned.",
    discussion: "Writes demo.png, and report.json with the seconds that each stage took.")

  @Option(help: ArgumentHelp("The folder to write to.", valueName: "folder"))
  var output: String

  @Option(
    help: ArgumentHelp("The project's checkout; found from here or from the program if left out.", valueName: "folder"))
  var checkout: String?

  @OptionGroup var device: DeviceOption

  func run() throws {
    let checkout = try self.checkout.map { URL(filePath: $0, directoryHint: .isDirectory) } ?? Checkout.find()
    let stop = StopSignal()
    let interrupts = Interrupts(stop, promise: "Stopping.")
    defer { interrupts.stopListening() }
    let report = TrainingReport()
    let demonstration = try Demonstration(
      checkout.appending(path: Checkout.demonstration), model: checkout.appending(path: Checkout.model),
      output: URL(filePath: output, directoryHint: .isDirectory), on: device.backend(), stop: stop,
      observer: report.show)
    switch try demonstration.run() {
    case .finished(let picture, _): print(picture.path(percentEncoded: false))
    case .stopped: throw ExitCode(130)
    }
  }
}

/// Where the files of the demonstration are.
private enum Checkout {
  static let model = "Models/toy-world"
  static let demonstration = "Examples/demo"

  struct NotFound: Error, CustomStringConvertible {
    var description: String {
      "there is no \(Checkout.model) here or above the program; name the project's folder with --checkout"
    }
  }

  /// The current folder, or the first one above the program, that holds the model.
  static func find() throws(NotFound) -> URL {
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    let here = URL(filePath: FileManager.default.currentDirectoryPath, directoryHint: .isDirectory)
    let above = sequence(first: program) { $0.path() == "/" ? nil : $0.deletingLastPathComponent() }
    for folder in [here] + above
    where FileManager.default.fileExists(atPath: folder.appending(path: model).path(percentEncoded: false)) {
      return folder
    }
    throw NotFound()
  }
}
