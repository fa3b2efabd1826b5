import Builtin

/// Elementary functions of a whole vector. Plain polynomials: the compiler turns them into vector instructions, where
/// calls of the C library would be made number by number.
enum VectorMath {
  #if V4
    typealias Integers = SIMD16<Int32>
  #elseif V3
    typealias Integers = SIMD8<Int32>
  #else
    typealias Integers = SIMD4<Int32>
  #endif

  /// a · b + c, rounded once where the instruction set has such an instruction.
  @inline(__always)
  static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
    var sum = c
    addProduct(a, b, to: &sum)
    return sum
  }

  @inline(__always)
  static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Float) -> Vector {
    multiplyAdd(a, b, Vector(repeating: c))
  }

  /// The larger of two numbers; the first where the second is NaN. SIMD's own maximum works number by number.
  @inline(__always)
  static func maximum(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: a .< b) }

  /// The smaller of two numbers; the first where the second is NaN.
  @inline(__always)
  static func minimum(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: a .> b) }

  /// eˣ, within 1 ulp; overflows to infinity and underflows through the subnormal numbers to zero.
  @inline(__always)
  static func exp(_ x: Vector) -> Vector {
    var x = x.replacing(with: -104, where: x .< -104)
    x.replace(with: 89, where: x .> 89)
    let (power, shifted) = reducedExp(x)
    #if V4
      return scale(power, shifted)
    #else
      // 2ⁿ in two factors, since 2ⁿ alone leaves the range of exponents before eˣ does.
      let exponent = unsafeBitCast(shifted, to: Integers.self) &- 0x4b40_0000
      let half = exponent &>> 1
      return power * powerOfTwo(half) * powerOfTwo(exponent &- half)
    #endif
  }

  /// eˣ, within 1 ulp, for a sum or a product that does not need the ends of the range: zero may stand for what is
  /// below the normal numbers, and infinity for what is within a factor of √2 of overflow.
  @inline(__always)
  static func exp(flushing x: Vector) -> Vector {
    #if V4
      return exp(x)
    #else
      let (power, shifted) = reducedExp(x.replacing(with: 88.5, where: x .> 88.5))
      let result = power * powerOfTwo(unsafeBitCast(shifted, to: Integers.self))
      return result.replacing(with: 0, where: x .< -87.336)
    #endif
  }

  /// eʳ and n + 1.5 · 2²³, where x = n ln 2 + r with |r| ≤ ½ ln 2.
  ///
  /// The polynomial is a minimax fit of this project, good to 4e-9 before rounding.
  @inline(__always)
  private static func reducedExp(_ x: Vector) -> (power: Vector, shifted: Vector) {
    // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits of the sum.
    let shifted = multiplyAdd(x, Vector(repeating: 1.442_695_04), 12_582_912)
    let n = shifted - Vector(repeating: 12_582_912)
    // ln 2 in two parts, the first of which has few enough bits for an exact product with n.
    var r = multiplyAdd(n, Vector(repeating: -0.693_359_375), x)
    r = multiplyAdd(n, Vector(repeating: 2.121_944_40e-4), r)
    var p = multiplyAdd(r, Vector(repeating: 1.382_078_7e-3), 8.369_248e-3)
    p = multiplyAdd(p, r, 4.166_828e-2)
    p = multiplyAdd(p, r, 1.666_651_7e-1)
    p = multiplyAdd(p, r, 4.999_999_4e-1)
    return (multiplyAdd(p, r * r, r) + 1, shifted)
  }

  #if V4
    /// x · 2ⁿ, of any size, where `shifted` is n + 1.5 · 2²³. AVX-512 has an instruction for it.
    @inline(__always)
    private static func scale(_ x: Vector, _ shifted: Vector) -> Vector {
      let vector = unsafeBitCast(x, to: Builtin.Vec16xFPIEEE32.self)
      let exponent = unsafeBitCast(shifted - Vector(repeating: 12_582_912), to: Builtin.Vec16xFPIEEE32.self)
      let (everyLane, currentRounding) = (-1 as Int16, 4 as Int32)
      return unsafeBitCast(
        Builtin.int_x86_avx512_mask_scalef_ps_512(
          vector, exponent, vector, everyLane._value, currentRounding._value), to: Vector.self)
    }
  #endif

  /// 2ⁿ for -126 ≤ n ≤ 127, zero for -127, and infinity for 128. What lies above the low bits of n does not matter.
  @inline(__always)
  static func powerOfTwo(_ n: Integers) -> Vector { unsafeBitCast((n &+ 127) &<< 23, to: Vector.self) }

  /// 1 / (1 + e⁻ˣ), within 4 ulp.
  @inline(__always)
  static func sigmoid(_ x: Vector) -> Vector { 1 / (1 + exp(flushing: -x)) }

  /// x · sigmoid(a x).
  @inline(__always)
  static func silu(_ x: Vector, _ a: Float = 1) -> Vector { x / (1 + exp(flushing: -a * x)) }

  /// The derivative of x · sigmoid(a x).
  @inline(__always)
  static func siluDerivative(_ x: Vector, _ a: Float = 1) -> Vector {
    let y = a * x
    let bounded = y.replacing(with: -87, where: y .< -87)
    let e = exp(flushing: -bounded)
    let s = 1 / (1 + e)
    // e s is 1 - s without its cancellation.
    return multiplyAdd(bounded * s, e * s, s)
  }

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

  /// The density φ(x) and the distribution function Φ(x) of the unit normal distribution, within 8 ulp wherever they are
  /// normal numbers.
  ///
  /// Φ(-a) = e^(-a²/2) p(a) / q(a) for a ≥ 0: what is left of Φ without the exponential is smooth (W. Cody, Rational
  /// Chebyshev approximations for the error function, 1969). The quotient is a minimax fit of this project, good to
  /// 2.3e-8 before rounding. One exponential serves both functions.
  @inline(__always)
  static func unitNormal(_ x: Vector) -> (density: Vector, distribution: Vector) {
    let magnitude = unsafeBitCast(unsafeBitCast(x, to: Integers.self) & 0x7fff_ffff, to: Vector.self)
    let a = magnitude.replacing(with: 16, where: magnitude .> 16)
    let square = a * a
    var e = exp(flushing: -0.5 * square)
    // The exponential magnifies what rounding took from the square.
    e = multiplyAdd(e, -0.5 * roundingError(ofSquare: square, a), e)

    var p = multiplyAdd(a, Vector(repeating: 3.995_055_3e-3), 3.981_506_5e-2)
    p = multiplyAdd(p, a, 1.808_030_9e-1)
    p = multiplyAdd(p, a, 4.350_027_4e-1)
    p = multiplyAdd(p, a, 0.5)
    var q = multiplyAdd(a, Vector(repeating: 1.001_397e-2), 9.980_92e-2)
    q = multiplyAdd(q, a, 4.630_505_7e-1)
    q = multiplyAdd(q, a, 1.192_386_5)
    q = multiplyAdd(q, a, 1.667_890_3)
    q = multiplyAdd(q, a, 1)
    let tail = e * (p / q)
    return (e * 0.398_942_280, (1 - tail).replacing(with: tail, where: x .< 0))
  }

  /// a² - `square`, where `square` is a² rounded.
  @inline(__always)
  private static func roundingError(ofSquare square: Vector, _ a: Vector) -> Vector {
    #if V3 || V4 || arch(arm64)
      return multiplyAdd(a, a, -square)
    #else
      // The upper half of the digits and the lower one: products of halves are exact.
      let upper = unsafeBitCast(unsafeBitCast(a, to: Integers.self) & ~0xfff, to: Vector.self)
      let lower = a - upper
      return (upper * upper - square) + 2 * upper * lower + lower * lower
    #endif
  }

  /// x Φ(x).
  @inline(__always)
  static func gelu(_ x: Vector) -> Vector { x * unitNormal(x).distribution }

  /// Φ(x) + x φ(x), the derivative of x Φ(x).
  @inline(__always)
  static func geluDerivative(_ x: Vector) -> Vector {
    let (density, distribution) = unitNormal(x)
    return multiplyAdd(x, density, distribution)
  }

  /// The sum of all numbers of a vector.
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
