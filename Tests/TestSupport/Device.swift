import Tensor

/// The devices that must compute alike: the CPU with each of its instruction sets and once more with fast convolutions,
/// and the first NVIDIA GPU.
public struct Device: Hashable, CaseIterable, Sendable, CustomStringConvertible {
  private let instructionSet: InstructionSet?
  private var fastConvolution = false

  /// The CPU with the best instructions of this machine.
  public static let cpu = Device(instructionSet: .best)
  /// The same, with convolutions that give up digits for speed.
  private static let fastCPU = Device(instructionSet: .best, fastConvolution: true)
  /// The first NVIDIA GPU.
  private static let cuda = Device(instructionSet: nil)

  /// The devices of this machine.
  public static let allCases = InstructionSet.available.map { Device(instructionSet: $0) } + [fastCPU] + gpus

  /// One device of each kind, for tests of what lies above the kernels.
  public static let kinds = [cpu] + gpus

  private static var gpus: [Device] { sharedCUDA == nil ? [] : [cuda] }

  /// On an odd number of threads, so that work is divided unevenly on any machine.
  private static let sharedCPUs = Dictionary(
    uniqueKeysWithValues: allCases.compactMap { device in
      device.instructionSet.map {
        (device, CPUBackend(threads: 3, instructionSet: $0, fastConvolution: device.fastConvolution))
      }
    })

  /// A GPU that is there but cannot be used fails the tests: a machine with a GPU is meant to test it.
  private static let sharedCUDA: (any Backend)? = {
    if CUDAInstallation().devices.isEmpty { return nil }
    do {
      return try CUDABackend()
    } catch {
      fatalError("\(error)")
    }
  }()

  /// Whether it is the CPU.
  public var isCPU: Bool { instructionSet != nil }

  /// The device's name: `cuda`, or `cpu` with its instruction set.
  public var description: String {
    instructionSet.map { "cpu \($0)\(fastConvolution ? " with fast convolutions" : "")" } ?? "cuda"
  }

  /// The backend of the device, one for all tests.
  public var backend: any Backend {
    if let backend = Self.sharedCPUs[self] { return backend }
    guard let backend = Self.sharedCUDA else { fatalError("this machine has no device \(self)") }
    return backend
  }
}
