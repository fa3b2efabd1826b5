import ArgumentParser
import DreamBooth
import Foundation

/// The `--device`, `--memory-limit` and `--fast-convolution` flags of every command that computes.
struct DeviceOption: ParsableArguments {
  @Option(help: "Where to compute: cpu, cuda or cuda:N for the GPU number N.")
  var device = ComputeDevice.cpu

  @Option(
    help: ArgumentHelp(
      "The most of a GPU's memory to take, such as 8GB (10⁹ bytes each) or 8GiB (2³⁰); all that is free if left out.",
      valueName: "size"))
  var memoryLimit: MemorySize?

  @Flag(
    help: ArgumentHelp(
      "Compute convolutions of 3 x 3 on the CPU with fewer multiplications.",
      discussion: "A picture takes about a tenth less time and decoding a third less. Rounding errors of these layers "
        + "are three times as large, some 0.000002 of their results."))
  var fastConvolution = false

  func validate() throws {
    if fastConvolution && device != .cpu { throw ValidationError("--fast-convolution goes with --device cpu only") }
    if memoryLimit != nil && device == .cpu { throw ValidationError("--memory-limit goes with --device cuda only") }
  }

  /// The device itself.
  ///
  /// - Throws: what is missing, and how to get it.
  func backend() throws -> any Backend {
    switch device {
    case .cpu:
      return try CPUBackend(
        environment: ProcessInfo.processInfo.environment, fastConvolution: fastConvolution)
    case .cuda(let index):
      do {
        return try CUDABackend(device: index, memoryLimit: memoryLimit?.byteCount)
      } catch {
        throw Unusable(device: "cuda:\(index)", reason: error)
      }
    }
  }

  /// A GPU that was asked for and cannot be had.
  struct Unusable: Error, CustomStringConvertible {
    let device: String
    let reason: CUDALibraryError

    var description: String { "--device \(device) cannot be used: \(reason)" }
  }
}

/// The processor, or one of the GPUs.
enum ComputeDevice: ExpressibleByArgument, Hashable {
  case cpu
  case cuda(Int)

  init?(argument: String) {
    switch argument {
    case "cpu": self = .cpu
    case "cuda": self = .cuda(0)
    default:
      guard argument.hasPrefix("cuda:"), let index = Int(argument.dropFirst(5)), index >= 0 else { return nil }
      self = .cuda(index)
    }
  }

  var defaultValueDescription: String { "cpu" }
}
