import Tensor

/// The devices that must compute alike.
public enum Device: String, CaseIterable, Sendable {
  case cpu
  /// The first NVIDIA GPU.
  case cuda

  /// The devices of this machine.
  public static var allCases: [Device] { sharedCUDA == nil ? [.cpu] : [.cpu, .cuda] }

  /// On an odd number of threads, so that work is divided unevenly on any machine.
  private static let sharedCPU = CPUBackend(threads: 3)

  /// A GPU that is there but cannot be used fails the tests: a machine with a GPU is meant to test it.
  private static let sharedCUDA: (any Backend)? = {
    if CUDAInstallation().devices.isEmpty { return nil }
    do {
      return try CUDABackend()
    } catch {
      fatalError("\(error)")
    }
  }()

  /// The backend of the device, one for all tests.
  public var backend: any Backend {
    switch self {
    case .cpu: return Self.sharedCPU
    case .cuda:
      guard let backend = Self.sharedCUDA else { fatalError("this machine has no CUDA device") }
      return backend
    }
  }
}
