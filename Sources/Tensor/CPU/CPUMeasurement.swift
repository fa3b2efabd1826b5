import CPUKernels

extension CPUBackend: RatedDevice {
  /// What all threads together multiply and add in registers.
  public func flopsPerSecondAtMost() -> Double {
    let rounds = 1_000_000
    // Threads take parts as they come; several for each keep the last ones from waiting for long.
    let parts = 4 * threadCount
    let fastest = withWorkspace(parts * CPUBackend.resultSpacing) { results in
      (0..<5).map { _ in
        seconds(1) {
          threads.parallelFor(parts) { part in
            let result = results + part * CPUBackend.resultSpacing
            (result[0], result[1]) = (0.5, 0.5)
            kernels.multiplyAndAdd(rounds: rounds, into: result)
          }
        }[0]
      }.min()
    }
    return fastest.map { Double(parts * rounds * kernels.operationsInRound) / $0 } ?? 0
  }

  /// So that each result has a cache line of its own.
  private static var resultSpacing: Int { 16 }

  /// The instruction set and the threads.
  public var ratedArithmetic: String { "\(instructionSet.rawValue) instructions on registers, \(threadCount) threads" }
}
