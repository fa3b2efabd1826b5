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

  private static let sharedCUDA: (any Backend)? = nil

  /// The backend of the device, one for all tests.
  public var backend: any Backend {
    switch self {
    case .cpu: Self.sharedCPU
    case .cuda: Self.sharedCUDA!
    }
  }
}
