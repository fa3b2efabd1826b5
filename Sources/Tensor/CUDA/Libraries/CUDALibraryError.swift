/// Why a GPU cannot be used.
public enum CUDALibraryError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A library is not installed.
  case missingLibrary(name: String, hint: String)
  /// A library is installed but too old.
  case missingFunction(name: String, library: String)
  /// A call into a library failed.
  case failed(call: String, reason: String)
  /// There is no such device.
  case noDevice(index: Int, count: Int)
  /// A device is older than what the kernels are written for.
  case tooOld(device: String, capability: Int)
  /// A memory limit is larger than what is free.
  case notEnoughMemory(wanted: Int, free: Int)

  /// What is wrong and what to do about it.
  public var description: String {
    switch self {
    case .missingLibrary(let name, let hint): "\(name) was not found. \(hint)"
    case .missingFunction(let name, let library):
      "\(library) has no function \(name): it is too old. Install CUDA 12.4 or later and cuDNN 9"
    case .failed(let call, let reason): "\(call) failed: \(reason)"
    case .noDevice(let index, let count):
      count == 0
        ? "there is no CUDA device. `nvidia-smi` should list one; otherwise install NVIDIA's driver"
        : "there is no CUDA device \(index): the devices are 0 to \(count - 1)"
    case .tooOld(let device, let capability):
      "\(device) has compute capability \(capability / 10).\(capability % 10); 7.5 (Turing) or later is needed"
    case .notEnoughMemory(let wanted, let free):
      "the memory limit of \(wanted) bytes is more than the \(free) bytes that are free on the device"
    }
  }
}
