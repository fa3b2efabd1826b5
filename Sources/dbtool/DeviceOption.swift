import ArgumentParser
import DreamBooth

/// The `--device` flag of every command that computes.
struct DeviceOption: ParsableArguments {
  @Option(help: "Where to compute: cpu.")
  var device = "cpu"

  func validate() throws {
    guard device == "cpu" else {
      throw ValidationError("--device \(device) is not known; this build computes on: cpu")
    }
  }

  /// The device itself.
  func backend() -> any Backend { CPUBackend() }
}
