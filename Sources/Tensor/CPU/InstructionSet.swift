import CPUKernels
import CPUKernelsBaseline

#if arch(x86_64)
  import CPUKernelsV3
  import CPUKernelsV4
#endif

/// The vector instructions that the CPU's kernels use, the poorest first.
public enum InstructionSet: String, Sendable, CaseIterable {
  /// What every processor of the architecture has: SSE2 or NEON.
  case baseline
  #if arch(x86_64)
    /// x86-64-v3: AVX2 and fused multiplication and addition.
    case v3
    /// x86-64-v4: AVX-512.
    case v4
  #endif

  /// The sets that this machine can run.
  public static let available: [InstructionSet] = allCases.filter { Processor.features.isSuperset(of: $0.features) }

  /// The richest set that this machine can run.
  public static var best: InstructionSet { available.last ?? .baseline }

  /// The kernels compiled for it.
  var kernels: any KernelSet.Type {
    switch self {
    case .baseline: CPUKernelsBaseline.Kernels.self
    #if arch(x86_64)
      case .v3: CPUKernelsV3.Kernels.self
      case .v4: CPUKernelsV4.Kernels.self
    #endif
    }
  }

  /// What the system must list for a processor that runs it.
  private var features: Set<String> {
    switch self {
    case .baseline: []
    #if arch(x86_64)
      case .v3: ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]
      case .v4: InstructionSet.v3.features.union(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])
    #endif
    }
  }
}
