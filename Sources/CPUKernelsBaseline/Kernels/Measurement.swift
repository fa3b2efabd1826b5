import CPUKernels

/// Twelve numbers in each lane, each of which becomes x · factor + term again and again. As many chains as registers
/// allow, and more than the instructions that a processor has under way at a time.
private struct Chains {
  private var x0 = Vector.zero, x1 = Vector.zero, x2 = Vector.zero, x3 = Vector.zero, x4 = Vector.zero
  private var x5 = Vector.zero, x6 = Vector.zero, x7 = Vector.zero, x8 = Vector.zero, x9 = Vector.zero
  private var x10 = Vector.zero, x11 = Vector.zero

  static var count: Int { 12 }

  @inline(__always)
  mutating func advance(_ factor: Vector, _ term: Vector) {
    x0 = next(x0, factor, term)
    x1 = next(x1, factor, term)
    x2 = next(x2, factor, term)
    x3 = next(x3, factor, term)
    x4 = next(x4, factor, term)
    x5 = next(x5, factor, term)
    x6 = next(x6, factor, term)
    x7 = next(x7, factor, term)
    x8 = next(x8, factor, term)
    x9 = next(x9, factor, term)
    x10 = next(x10, factor, term)
    x11 = next(x11, factor, term)
  }

  @inline(__always)
  private func next(_ x: Vector, _ factor: Vector, _ term: Vector) -> Vector {
    var sum = term
    addProduct(x, factor, to: &sum)
    return sum
  }

  var total: Vector { x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11 }
}

extension Kernels {
  /// Two for each lane of each chain.
  public static var operationsInRound: Int { 2 * Chains.count * Vector.scalarCount }

  /// Multiplies and adds in registers alone.
  public static func multiplyAndAdd(rounds: Int, into result: Floats) {
    var chains = Chains()
    // Read from memory, so that nothing is known of them beforehand; the numbers converge to their quotient.
    let (factor, term) = (Vector(repeating: result[0]), Vector(repeating: result[1]))
    for _ in 0..<rounds { chains.advance(factor, term) }
    result[0] = chains.total[0]
  }
}
