import Foundation
import Tensor

/// Starts workers, and says which input ended one.
struct Supervisor {
  /// After this many inputs that ended a worker the rest would tell nothing new.
  private static let crashLimit = 10

  private let inputs: Inputs
  private let folder: URL

  init(_ inputs: Inputs) throws {
    self.inputs = inputs
    folder = FileManager.default.temporaryDirectory.appending(path: "file-fuzzer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Runs all inputs and prints what came of them.
  ///
  /// - Returns: the number of inputs that a reader did not cope with.
  func run() throws -> Int {
    let failures = try runWorkers()
    try FileManager.default.removeItem(at: folder)
    return failures
  }

  private func runWorkers() throws -> Int {
    var (accepted, refused, failures) = (0, 0, 0)
    var next = inputs.numbers.lowerBound
    while next < inputs.numbers.upperBound, failures < Self.crashLimit {
      let run = try runWorker(from: next)
      for line in run.output.split(separator: "\n") {
        let words = line.split(separator: " ", maxSplits: 2).map(String.init)
        switch words.first {
        case "taken": (accepted, refused) = (accepted + Int(words[1])!, refused + Int(words[2])!)
        case "unclear":
          failures += 1
          report(words[1], "was refused without a clear reason: \(words[2])")
        default: print(line)
        }
      }
      guard let signal = run.signal else { break }
      failures += 1
      report("\(run.number)", signal == SIGPROF ? "did not come to an end" : "ended the program by signal \(signal)")
      next = run.number + 1
    }
    print(
      "\(inputs.target): \(inputs.numbers.count) inputs, \(accepted) accepted, \(refused) refused, \(failures) failures"
    )
    return failures
  }

  private func report(_ number: String, _ outcome: String) {
    print("\(inputs.target) input \(number) \(outcome)")
    print("  again: FileFuzzer \(inputs.target) --seed \(inputs.seed) --first \(number) --count 1")
  }

  /// Runs one worker until it has read all inputs or one of them ends it.
  private func runWorker(from first: Int) throws -> (output: String, number: Int, signal: Int32?) {
    let (progress, output) = (folder.appending(path: "progress"), folder.appending(path: "output"))
    for file in [progress, output] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [
      inputs.target.rawValue, "--seed", "\(inputs.seed)", "--first", "\(first)", "--count",
      "\(inputs.numbers.upperBound - first)", "--progress", progress.path(percentEncoded: false),
    ]
    if let fault = inputs.fault {
      // What is done wrong on purpose need not be seen.
      process.standardError = FileHandle.nullDevice
      process.arguments! += ["--fault", fault.kind.rawValue, "--fault-at", "\(fault.number)"]
    }
    // A crash shall end the worker at once and not after a minute of symbolication. The threads of OpenBLAS would ask for
    // 128 MB each as they begin, and ask for ever where memory is limited by then.
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no", "OPENBLAS_NUM_THREADS": "1"]) { $1 }
    process.standardOutput = try FileHandle(forWritingTo: output)
    try process.run()
    process.waitUntilExit()
    let noted = try Data(contentsOf: progress)
    let number = noted.count == 8 ? noted.withUnsafeBytes { Int($0.loadUnaligned(as: Int64.self)) } : first
    let ended = process.terminationReason == .exit && process.terminationStatus == 0
    return (try String(contentsOf: output, encoding: .utf8), number, ended ? nil : process.terminationStatus)
  }
}
