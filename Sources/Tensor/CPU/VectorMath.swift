import Builtin

/// Eight numbers that are computed side by side; what the loops of the CPU backend are made of.
typealias Lanes = SIMD8<Float>

/// Elementary functions of eight numbers at once. Plain polynomials: the compiler turns them into vector instructions,
/// where calls of the C library would be made one number at a time.
enum VectorMath {
  /// eˣ, within 1 ulp; overflows to infinity and underflows through the subnormal numbers to zero.
  ///
  /// x = n ln 2 + r with |r| ≤ ½ ln 2, and eʳ by the polynomial of the Cephes library (S. Moshier, 1992).
  @inline(__always)
  static func exp(_ x: Lanes) -> Lanes {
    var x = x.replacing(with: -104, where: x .< -104)
    x.replace(with: 89, where: x .> 89)
    // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits of the sum.
    let shifted = x * 1.442_695_04 + Lanes(repeating: 12_582_912)
    let n = shifted - Lanes(repeating: 12_582_912)
    // ln 2 in two parts, the first of which has few enough bits for an exact product with n.
    let r = (x - n * 0.693_359_375) + n * 2.121_944_40e-4
    var p = r * 1.987_569_15e-4 + 1.398_199_950_7e-3
    p = p * r + 8.333_451_907_3e-3
    p = p * r + 4.166_579_589_4e-2
    p = p * r + 1.666_666_545_9e-1
    p = p * r + 5.000_000_120_1e-1
    let y = (p * (r * r) + r) + 1
    // 2ⁿ in two factors, since 2ⁿ alone leaves the range of exponents before eˣ does.
    let exponent = unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- 0x4b40_0000
    let half = exponent &>> 1
    return y * powerOfTwo(half) * powerOfTwo(exponent &- half)
  }

  @inline(__always)
  private static func powerOfTwo(_ exponent: SIMD8<Int32>) -> Lanes {
    unsafeBitCast((exponent &+ 127) &<< 23, to: Lanes.self)
  }

  /// 1 / (1 + e⁻ˣ).
  @inline(__always)
  static func sigmoid(_ x: Lanes) -> Lanes { 1 / (1 + exp(-x)) }

  /// √x, correctly rounded. SIMD's own `squareRoot` works number by number, so this one asks the compiler directly.
  @inline(__always)
  static func squareRoot(_ x: Lanes) -> Lanes {
    let vector = unsafeBitCast(x, to: Builtin.Vec8xFPIEEE32.self)
    return unsafeBitCast(Builtin.int_sqrt_Vec8xFPIEEE32(vector), to: Lanes.self)
  }

  /// The error function, within 2 ulp.
  ///
  /// Below 1, x + x p(x²); above, 1 - e^(-x q(x)), where the exponent approximates -ln erfc(x). Both polynomials are
  /// minimax fits of this project, good to 2e-9 of the result before rounding.
  @inline(__always)
  static func erf(_ x: Lanes) -> Lanes {
    let magnitude = x.replacing(with: -x, where: x .< 0)
    let square = x * x
    var p = square * 7.854_026_3e-5 - 8.010_247_7e-4
    p = p * square + 5.188_334_5e-3
    p = p * square - 2.685_381_6e-2
    p = p * square + 1.128_358_53e-1
    p = p * square - 3.761_262_58e-1
    p = p * square + 1.283_791_66e-1
    let near = p * x + x

    let t = magnitude.replacing(with: 4, where: magnitude .> 4)
    var q = t * 4.426_924_4e-6 - 3.930_082_5e-5
    q = q * t - 8.187_699_6e-5
    q = q * t + 3.020_258_15e-3
    q = q * t - 2.282_154_75e-2
    q = q * t + 1.054_041_7e-1
    q = q * t + 6.355_514_87e-1
    q = q * t + 1.128_567_893
    var far = 1 - exp(-(q * t))
    far.replace(with: -far, where: x .< 0)
    return far.replacing(with: near, where: .!(magnitude .>= 1))
  }

  /// The distribution function of the unit normal distribution, Φ(x).
  @inline(__always)
  static func normalDistribution(_ x: Lanes) -> Lanes { 0.5 * (1 + erf(x * 0.707_106_781)) }

  /// x Φ(x).
  @inline(__always)
  static func gelu(_ x: Lanes) -> Lanes { x * normalDistribution(x) }

  /// Φ(x) + x φ(x), where φ is the density of the unit normal distribution.
  @inline(__always)
  static func geluDerivative(_ x: Lanes) -> Lanes {
    normalDistribution(x) + x * (exp(-0.5 * (x * x)) * 0.398_942_280)
  }

  /// The derivative of x · sigmoid(a x).
  @inline(__always)
  static func siluDerivative(_ x: Lanes, _ a: Float = 1) -> Lanes {
    let s = sigmoid(a * x)
    return s + a * x * s * (1 - s)
  }
}
