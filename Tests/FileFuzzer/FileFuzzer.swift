import ArgumentParser

/// Feeds damaged and hostile files to the readers of files. None may crash, hang, take more memory than the file and a
/// constant, or refuse a file without saying why.
///
/// An input is determined by the reader, the seed and its number, so any of them can be made again:
///
///     FileFuzzer archive --seed 7 --first 1234 --count 1
@main struct FileFuzzer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Feed damaged and hostile files to the readers of files.")

  @Argument(help: "What to feed: \(Target.allCases.map(\.rawValue).joined(separator: ", ")).")
  var target: Target

  @Option(help: "How many inputs to make.")
  var count = 1000

  @Option(help: "What the inputs are derived from.")
  var seed: UInt64 = 1

  @Option(help: "The number of the first input.")
  var first = 0

  @Option(help: "Write the first input to this file and read nothing.")
  var keep: String?

  /// Where a worker notes the number of each input before it reads it.
  @Option(help: .hidden)
  var progress: String?

  @Option(help: "Do something wrong on purpose: \(Fault.allCases.map(\.rawValue).joined(separator: ", ")).")
  var fault: Fault?

  @Option(help: "The number of the input at which to do it.")
  var faultAt = 0

  func run() throws {
    var inputs = Inputs(target: target, seed: seed, numbers: first..<first + count)
    inputs.fault = fault.map { (kind: $0, number: faultAt) }
    if let keep {
      try inputs.keepFirst(in: keep)
    } else if let progress {
      try Worker(inputs, progress: progress).run()
    } else {
      let failures = try Supervisor(inputs).run()
      guard failures == 0 else { throw ExitCode.failure }
    }
  }
}

extension Target: ExpressibleByArgument {}
extension Fault: ExpressibleByArgument {}
