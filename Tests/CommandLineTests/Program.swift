import Foundation

/// The program `dbtool` as a user starts it, built beside the tests.
final class Program {
  /// How a run of the program ended.
  struct Outcome {
    /// The exit status, or the number of the signal that ended it.
    let status: Int32
    /// Whether the program ended by itself; a crash does not count.
    let hasExited: Bool
    /// What it wrote to standard output.
    let output: String
    /// What it wrote to standard error.
    let errors: String
  }

  private let process = Process()
  private let output: URL
  private let errors: URL

  /// Starts the program.
  ///
  /// - Parameters:
  ///   - folder: the current folder of the program.
  ///   - environment: variables that it sees on top of those of the tests.
  ///   - records: the folder for what it reads and prints.
  ///   - input: its standard input.
  init(_ arguments: [String], in folder: URL, environment: [String: String] = [:], records: URL, input: String = "")
    throws
  {
    let name = UUID().uuidString
    output = records.appending(path: "\(name).output")
    errors = records.appending(path: "\(name).errors")
    for file in [output, errors] { try Data().write(to: file) }
    let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.executableURL = tests.deletingLastPathComponent().appending(path: "dbtool")
    process.arguments = arguments
    process.currentDirectoryURL = folder
    // A crash shall end the program as one and not after a minute of symbolication.
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.merging(environment) { $1 }
    let inputFile = records.appending(path: "\(name).input")
    try Data(input.utf8).write(to: inputFile)
    process.standardInput = try FileHandle(forReadingFrom: inputFile)
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
  }

  /// Waits for the end.
  func finish() throws -> Outcome {
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, hasExited: process.terminationReason == .exit,
      output: try String(contentsOf: output, encoding: .utf8), errors: try String(contentsOf: errors, encoding: .utf8))
  }

  /// Whether the program has not ended yet.
  var isRunning: Bool { process.isRunning }

  /// What it has written to standard error so far.
  func errorsSoFar() throws -> String { try String(contentsOf: errors, encoding: .utf8) }

  /// Sends it a signal.
  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }
}
