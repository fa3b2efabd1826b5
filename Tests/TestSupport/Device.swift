import Tensor

/// The devices that must compute alike.
public enum Device: String, CaseIterable, Sendable {
  case cpu

  /// On an odd number of threads, so that work is divided unevenly on any machine.
  private static let sharedCPU = CPUBackend(threads: 3)

  /// The backend of the device, one for all tests.
  public var backend: any Backend {
    switch self {
    case .cpu: Self.sharedCPU
    }
  }
}
