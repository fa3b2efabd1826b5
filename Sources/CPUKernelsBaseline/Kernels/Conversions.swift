public import CPUKernels

// Loops over single numbers, which the compiler turns into loops over vectors. It does not do so with the processor's own
// conversions of halves.
extension Kernels {
  /// Widens IEEE halves; see `ConversionKernels`.
  public static func widenHalves(_ x: UnsafePointer<UInt16>, count: Int, into out: Floats) {
    for i in 0..<count { out[i] = Float(halfBits: x[i]) }
  }

  /// Rounds to IEEE halves; see `ConversionKernels`.
  public static func roundToHalves(_ x: ConstantFloats, count: Int, into out: UnsafeMutablePointer<UInt16>) {
    for i in 0..<count { out[i] = x[i].halfBits }
  }

  /// Widens BFloat16; see `ConversionKernels`.
  public static func widenBFloats(_ x: UnsafePointer<UInt16>, count: Int, into out: Floats) {
    for i in 0..<count { out[i] = Float(bitPattern: UInt32(x[i]) << 16) }
  }

  /// Rounds to BFloat16; see `ConversionKernels`.
  public static func roundToBFloats(_ x: ConstantFloats, count: Int, into out: UnsafeMutablePointer<UInt16>) {
    for i in 0..<count {
      let pattern = x[i].bitPattern
      let rounded = UInt16(truncatingIfNeeded: (pattern &+ 0x7fff &+ (pattern >> 16 & 1)) >> 16)
      out[i] = x[i].isNaN ? 0x7fc0 : rounded
    }
  }
}
