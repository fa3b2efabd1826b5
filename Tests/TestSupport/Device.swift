import Tensor

/// The devices that must compute alike.
public enum Device: String, CaseIterable, Sendable {
  case cpu

  private static let sharedCPU = CPUBackend()

  /// The backend of the device, one for all tests.
  public var backend: any Backend {
    switch self {
    case .cpu: Self.sharedCPU
    }
  }
}
