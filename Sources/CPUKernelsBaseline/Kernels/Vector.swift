import Builtin
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
    #if V4
      let address = (self + offset)._rawValue
      let zeros = unsafeBitCast(Vector.zero, to: Builtin.Vec16xFPIEEE32.self)
      let vector = Builtin.int_masked_load_Vec16xFPIEEE32_RawPointer(
        address, floatAlignment, lanes(below: count), zeros)
      return unsafeBitCast(vector, to: Vector.self)
    #elseif V3
      let address = (self + offset)._rawValue
      let zeros = unsafeBitCast(Vector.zero, to: Builtin.Vec8xFPIEEE32.self)
      let vector = Builtin.int_masked_load_Vec8xFPIEEE32_RawPointer(address, floatAlignment, lanes(below: count), zeros)
      return unsafeBitCast(vector, to: Vector.self)
    #else
      var vector = Vector.zero
      for lane in 0..<count { vector[lane] = self[offset + lane] }
      return vector
    #endif
  }
}

/// Asks for the cache line of a number that is read soon, where the processor would not foresee it.
@inline(__always)
func prefetch(_ address: ConstantFloats) {
  // To be read (0), for all levels of the cache (3), as data (1).
  Builtin.int_prefetch_RawPointer(address._rawValue, Int32(0)._value, Int32(3)._value, Int32(1)._value)
}

extension UnsafePointer<Float> {
  /// Asks for the lines of memory that hold `count` numbers from `offset` on to be brought into the second cache.
  @inline(__always)
  func prefetchFar(at offset: Int, count: Int) {
    var line = offset
    while line < offset + count {
      Builtin.int_prefetch_RawPointer((self + line)._rawValue, Int32(0)._value, Int32(2)._value, Int32(1)._value)
      line += 16
    }
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
    #if V4
      let numbers = unsafeBitCast(vector, to: Builtin.Vec16xFPIEEE32.self)
      let address = (self + offset)._rawValue
      Builtin.int_masked_store_Vec16xFPIEEE32_RawPointer(numbers, address, floatAlignment, lanes(below: count))
    #elseif V3
      let numbers = unsafeBitCast(vector, to: Builtin.Vec8xFPIEEE32.self)
      let address = (self + offset)._rawValue
      Builtin.int_masked_store_Vec8xFPIEEE32_RawPointer(numbers, address, floatAlignment, lanes(below: count))
    #else
      for lane in 0..<count { self[offset + lane] = vector[lane] }
    #endif
  }
}

// MARK: - The first lanes of a vector, for the instructions that leave the others alone

#if V3 || V4
  private var floatAlignment: Builtin.Int32 {
    @inline(__always) get { Int32(4)._value }
  }
#endif

#if V4
  @inline(__always)
  private func lanes(below count: Int) -> Builtin.Vec16xInt1 {
    let numbers = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    let limit = SIMD16<Int32>(repeating: Int32(truncatingIfNeeded: count))
    return Builtin.cmp_slt_Vec16xInt32(
      unsafeBitCast(numbers, to: Builtin.Vec16xInt32.self), unsafeBitCast(limit, to: Builtin.Vec16xInt32.self))
  }
#elseif V3
  @inline(__always)
  private func lanes(below count: Int) -> Builtin.Vec8xInt1 {
    let numbers = SIMD8<Int32>(0, 1, 2, 3, 4, 5, 6, 7)
    let limit = SIMD8<Int32>(repeating: Int32(truncatingIfNeeded: count))
    return Builtin.cmp_slt_Vec8xInt32(
      unsafeBitCast(numbers, to: Builtin.Vec8xInt32.self), unsafeBitCast(limit, to: Builtin.Vec8xInt32.self))
  }
#endif
