/// Powers and logarithms for the softmax.
extension VectorMath {
  /// 2ˣ for x below 127, within 1 ulp; zero where x is below -126½.
  ///
  /// x = n + r with |r| ≤ ½, and 2ʳ by a minimax polynomial of this project, good to 2e-9 before rounding. The remainder
  /// is exact without a factor of ln 2, and one power of two is enough without subnormal numbers.
  @inline(__always)
  static func normalExp2(_ x: Vector) -> Vector {
    let x = x.replacing(with: -127, where: x .< -127)
    // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits of the sum.
    let shifted = x + Vector(repeating: 12_582_912)
    let r = x - (shifted - Vector(repeating: 12_582_912))
    var p = multiplyAdd(r, Vector(repeating: 1.535_336_2e-4), 1.339_887_44e-3)
    p = multiplyAdd(p, r, 9.618_437_36e-3)
    p = multiplyAdd(p, r, 5.550_332_47e-2)
    p = multiplyAdd(p, r, 2.402_264_79e-1)
    p = multiplyAdd(p, r, 6.931_472_03e-1)
    return multiplyAdd(p, r, 1) * powerOfTwo(unsafeBitCast(shifted, to: Integers.self))
  }

  /// ln x for positive normal x, within 1 ulp.
  ///
  /// x = 2ⁿ m with √½ ≤ m < √2, and ln m by the polynomial of the Cephes library (S. Moshier, 1992).
  @inline(__always)
  static func logarithm(_ x: Vector) -> Vector {
    let bits = unsafeBitCast(x, to: Integers.self)
    // Less the bits of √½ the exponent is n; adding it to those of 1.5 · 2²³ makes a number of it.
    let exponent = (bits &- 0x3f35_04f3) &>> 23
    let n = unsafeBitCast(exponent &+ 0x4b40_0000, to: Vector.self) - Vector(repeating: 12_582_912)
    let f = unsafeBitCast(bits &- (exponent &<< 23), to: Vector.self) - 1
    var p = multiplyAdd(f, Vector(repeating: 7.037_683_629_2e-2), -1.151_461_031_0e-1)
    p = multiplyAdd(p, f, 1.167_699_874_0e-1)
    p = multiplyAdd(p, f, -1.242_014_084_6e-1)
    p = multiplyAdd(p, f, 1.424_932_278_7e-1)
    p = multiplyAdd(p, f, -1.666_805_766_5e-1)
    p = multiplyAdd(p, f, 2.000_071_476_5e-1)
    p = multiplyAdd(p, f, -2.499_999_399_3e-1)
    p = multiplyAdd(p, f, 3.333_333_117_4e-1)
    let square = f * f
    // ln 2 in two parts, the first of which has few enough bits for an exact product with n.
    var y = multiplyAdd(n, Vector(repeating: -2.121_944_40e-4), p * f * square)
    y = multiplyAdd(square, Vector(repeating: -0.5), y)
    return multiplyAdd(n, Vector(repeating: 0.693_359_375), f + y)
  }
}
