import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool init`.
struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Write a model whose weights are random, as PyTorch initialises them.",
    discussion: "For tests, benchmarks and training from scratch: such a model can draw nothing yet.")

  @Option(
    help: ArgumentHelp(
      "The shape: \(StandardModel.allCases.map(\.rawValue).joined(separator: ", ")), or a model's folder.",
      valueName: "shape"))
  var like: String

  @Option(help: "Equal seeds give equal models.")
  var seed: UInt64 = 0

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store half-precision numbers, half the size.")
  var half = false

  @Argument(help: ArgumentHelp("The folder to write.", valueName: "output"))
  var output: String

  func run() throws {
    try OutputPath.requireFree(output)
    let destination = URL(filePath: output)
    let dtype: DType = half ? .float16 : .float32
    let backend = try CPUBackend(environment: ProcessInfo.processInfo.environment)
    try WritingLine.show { progress in
      if let standard = StandardModel(rawValue: like) {
        try standard.saveUntrained(to: destination, seed: seed, dtype: dtype, on: backend, progress: progress)
      } else {
        try ModelFolder(URL(filePath: like))
          .saveUntrained(to: destination, seed: seed, dtype: dtype, on: backend, progress: progress)
      }
    }
  }
}
