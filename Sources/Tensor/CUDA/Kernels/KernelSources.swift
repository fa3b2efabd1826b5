extension KernelSource {
  /// Every family of kernels.
  static let all: [KernelSource] = []
}
