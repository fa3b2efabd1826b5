import Builtin

/// Elementary functions of a whole vector. Plain polynomials: the compiler turns them into vector instructions, where
/// calls of the C library would be made number by number.
enum VectorMath {
  #if V4
    private typealias Integers = SIMD16<Int32>
  #elseif V3
    private typealias Integers = SIMD8<Int32>
  #else
    private typealias Integers = SIMD4<Int32>
  #endif

  /// a · b + c, rounded once where the instruction set has such an instruction.
  @inline(__always)
  private static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
    var sum = c
    addProduct(a, b, to: &sum)
    return sum
  }

  @inline(__always)
  private static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Float) -> Vector {
    multiplyAdd(a, b, Vector(repeating: c))
  }

  /// The larger of two numbers; the first where the second is NaN. SIMD's own maximum works number by number.
  @inline(__always)
  static func maximum(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: a .< b) }

  /// The smaller of two numbers; the first where the second is NaN.
  @inline(__always)
  static func minimum(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: a .> b) }

  /// eˣ, within 1 ulp; overflows to infinity and underflows through the subnormal numbers to zero.
  ///
  /// x = n ln 2 + r with |r| ≤ ½ ln 2, and eʳ by the polynomial of the Cephes library (S. Moshier, 1992).
  @inline(__always)
  static func exp(_ x: Vector) -> Vector {
    var x = x.replacing(with: -104, where: x .< -104)
    x.replace(with: 89, where: x .> 89)
    // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits of the sum.
    let shifted = multiplyAdd(x, Vector(repeating: 1.442_695_04), 12_582_912)
    let n = shifted - Vector(repeating: 12_582_912)
    // ln 2 in two parts, the first of which has few enough bits for an exact product with n.
    var r = multiplyAdd(n, Vector(repeating: -0.693_359_375), x)
    r = multiplyAdd(n, Vector(repeating: 2.121_944_40e-4), r)
    var p = multiplyAdd(r, Vector(repeating: 1.987_569_15e-4), 1.398_199_950_7e-3)
    p = multiplyAdd(p, r, 8.333_451_907_3e-3)
    p = multiplyAdd(p, r, 4.166_579_589_4e-2)
    p = multiplyAdd(p, r, 1.666_666_545_9e-1)
    p = multiplyAdd(p, r, 5.000_000_120_1e-1)
    let y = multiplyAdd(p, r * r, r) + 1
    // 2ⁿ in two factors, since 2ⁿ alone leaves the range of exponents before eˣ does.
    let exponent = unsafeBitCast(shifted, to: Integers.self) &- 0x4b40_0000
    let half = exponent &>> 1
    return y * powerOfTwo(half) * powerOfTwo(exponent &- half)
  }

  @inline(__always)
  private static func powerOfTwo(_ exponent: Integers) -> Vector {
    unsafeBitCast((exponent &+ 127) &<< 23, to: Vector.self)
  }

  /// 1 / (1 + e⁻ˣ).
  @inline(__always)
  static func sigmoid(_ x: Vector) -> Vector { 1 / (1 + exp(-x)) }

  /// √x, correctly rounded. SIMD's own `squareRoot` works number by number, so this one asks the compiler directly.
  @inline(__always)
  static func squareRoot(_ x: Vector) -> Vector {
    #if V4
      let vector = unsafeBitCast(x, to: Builtin.Vec16xFPIEEE32.self)
      return unsafeBitCast(Builtin.int_sqrt_Vec16xFPIEEE32(vector), to: Vector.self)
    #elseif V3
      let vector = unsafeBitCast(x, to: Builtin.Vec8xFPIEEE32.self)
      return unsafeBitCast(Builtin.int_sqrt_Vec8xFPIEEE32(vector), to: Vector.self)
    #else
      let vector = unsafeBitCast(x, to: Builtin.Vec4xFPIEEE32.self)
      return unsafeBitCast(Builtin.int_sqrt_Vec4xFPIEEE32(vector), to: Vector.self)
    #endif
  }

  /// The error function, within 2 ulp.
  ///
  /// Below 1, x + x p(x²); above, 1 - e^(-x q(x)), where the exponent approximates -ln erfc(x). Both polynomials are
  /// minimax fits of this project, good to 2e-9 of the result before rounding.
  @inline(__always)
  static func erf(_ x: Vector) -> Vector {
    let magnitude = x.replacing(with: -x, where: x .< 0)
    let square = x * x
    var p = multiplyAdd(square, Vector(repeating: 7.854_026_3e-5), -8.010_247_7e-4)
    p = multiplyAdd(p, square, 5.188_334_5e-3)
    p = multiplyAdd(p, square, -2.685_381_6e-2)
    p = multiplyAdd(p, square, 1.128_358_53e-1)
    p = multiplyAdd(p, square, -3.761_262_58e-1)
    p = multiplyAdd(p, square, 1.283_791_66e-1)
    let near = multiplyAdd(p, x, x)

    let t = magnitude.replacing(with: 4, where: magnitude .> 4)
    var q = multiplyAdd(t, Vector(repeating: 4.426_924_4e-6), -3.930_082_5e-5)
    q = multiplyAdd(q, t, -8.187_699_6e-5)
    q = multiplyAdd(q, t, 3.020_258_15e-3)
    q = multiplyAdd(q, t, -2.282_154_75e-2)
    q = multiplyAdd(q, t, 1.054_041_7e-1)
    q = multiplyAdd(q, t, 6.355_514_87e-1)
    q = multiplyAdd(q, t, 1.128_567_893)
    var far = 1 - exp(-(q * t))
    far.replace(with: -far, where: x .< 0)
    return far.replacing(with: near, where: .!(magnitude .>= 1))
  }

  /// The distribution function of the unit normal distribution, Φ(x).
  @inline(__always)
  static func normalDistribution(_ x: Vector) -> Vector { 0.5 * (1 + erf(x * 0.707_106_781)) }

  /// x Φ(x).
  @inline(__always)
  static func gelu(_ x: Vector) -> Vector { x * normalDistribution(x) }

  /// Φ(x) + x φ(x), where φ is the density of the unit normal distribution.
  @inline(__always)
  static func geluDerivative(_ x: Vector) -> Vector {
    normalDistribution(x) + x * (exp(-0.5 * (x * x)) * 0.398_942_280)
  }

  /// The derivative of x · sigmoid(a x).
  @inline(__always)
  static func siluDerivative(_ x: Vector, _ a: Float = 1) -> Vector {
    let s = sigmoid(a * x)
    return s + a * x * s * (1 - s)
  }

  /// The sum of all numbers of a vector., .
  @inline(__always)
  static func sum(_ x: Vector) -> Float {
    #if V4
      let eight = x.lowHalf + x.highHalf
      let four = eight.lowHalf + eight.highHalf
    #elseif V3
      let four = x.lowHalf + x.highHalf
    #else
      let four = x
    #endif
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  /// The largest number of a vector.
  @inline(__always)
  static func largest(_ x: Vector) -> Float {
    #if V4
      let eight = x.lowHalf.replacing(with: x.highHalf, where: x.lowHalf .< x.highHalf)
      let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.lowHalf .< eight.highHalf)
    #elseif V3
      let four = x.lowHalf.replacing(with: x.highHalf, where: x.lowHalf .< x.highHalf)
    #else
      let four = x
    #endif
    return max(max(four[0], four[1]), max(four[2], four[3]))
  }
}
