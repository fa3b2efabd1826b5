import CPUKernels

#if V4
  /// As many numbers as a register of this instruction set holds.
  typealias Vector = SIMD16<Float>
#elseif V3
  /// As many numbers as a register of this instruction set holds.
  typealias Vector = SIMD8<Float>
#else
  /// As many numbers as a register of this instruction set holds.
  typealias Vector = SIMD4<Float>
#endif

/// sum + a · b, rounded once where the instruction set has such an instruction. SIMD's own `addingProduct` would call
/// the C library number by number where it has none.
@inline(__always)
func addProduct(_ a: Vector, _ b: Vector, to sum: inout Vector) {
  #if V3 || V4 || arch(arm64)
    sum.addProduct(a, b)
  #else
    sum += a * b
  #endif
}

extension UnsafePointer<Float> {
  /// The numbers from `offset` on.
  @inline(__always)
  func vector(at offset: Int = 0) -> Vector { UnsafeRawPointer(self + offset).loadUnaligned(as: Vector.self) }

  /// The first `count` numbers from `offset` on, and zeros.
  @inline(__always)
  func vector(at offset: Int = 0, count: Int) -> Vector {
    if count == Vector.scalarCount { return vector(at: offset) }
    var vector = Vector.zero
    for lane in 0..<count { vector[lane] = self[offset + lane] }
    return vector
  }
}

extension Floats {
  /// Stores numbers from `offset` on.
  @inline(__always)
  func store(_ vector: Vector, at offset: Int = 0) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: vector, as: Vector.self)
  }

  /// Stores the first `count` numbers of a vector from `offset` on.
  @inline(__always)
  func store(_ vector: Vector, at offset: Int = 0, count: Int) {
    if count == Vector.scalarCount { return store(vector, at: offset) }
    for lane in 0..<count { self[offset + lane] = vector[lane] }
  }
}
