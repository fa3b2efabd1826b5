import CPUKernels
import CPUKernelsBaseline
import Glibc

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

  /// What the environment variable `DREAMBOOTH_CPU` asks for, or the best set without it.
  ///
  /// Traps where the variable names no set, or one that this machine cannot run.
  static let chosen: InstructionSet = {
    guard let value = getenv("DREAMBOOTH_CPU") else { return best }
    let name = String(cString: value)
    let known = available.map(\.rawValue).joined(separator: ", ")
    guard let set = available.first(where: { $0.rawValue == name }) else {
      fatalError("DREAMBOOTH_CPU is \(name); this processor runs: \(known)")
    }
    return set
  }()

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

/// What the system says of the processor.
enum Processor {
  /// The names of its features, as in /proc/cpuinfo.
  static let features: Set<String> = {
    guard let file = fopen("/proc/cpuinfo", "r") else { return [] }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0 {
      guard let line, strncmp(line, "flags", 5) == 0 else { continue }
      return Set(String(cString: line).split(whereSeparator: \.isWhitespace).map(String.init))
    }
    return []
  }()
}
