/// Single-precision logarithm, sine and cosine as PyTorch's vectorised Box-Muller transform evaluates them.
///
/// The polynomials and the range reduction are those of S. Moshier's Cephes library (`logf`, `sinf`, `cosf`). Every
/// multiplication that feeds an addition is fused, as in PyTorch's x86-64 builds; with that the results agree with
/// PyTorch to the last bit, on any processor.
enum CephesMath {
  /// The natural logarithm of a normal number `x` > 0.
  static func log(_ x: Float) -> Float {
    var exponent = Float(Int32(x.bitPattern >> 23) - 126)
    var fraction = Float(bitPattern: x.bitPattern & 0x007F_FFFF | 0x3F00_0000)  // [0.5, 1)
    if fraction < 0.707_106_781_186_547_524 {
      exponent -= 1
      fraction = (fraction - 1) + fraction
    } else {
      fraction -= 1
    }
    let square = fraction * fraction
    var y: Float = 7.0376836292E-2
    y = Float(-1.1514610310E-1).addingProduct(y, fraction)
    y = Float(1.1676998740E-1).addingProduct(y, fraction)
    y = Float(-1.2420140846E-1).addingProduct(y, fraction)
    y = Float(1.4249322787E-1).addingProduct(y, fraction)
    y = Float(-1.6668057665E-1).addingProduct(y, fraction)
    y = Float(2.0000714765E-1).addingProduct(y, fraction)
    y = Float(-2.4999993993E-1).addingProduct(y, fraction)
    y = Float(3.3333331174E-1).addingProduct(y, fraction)
    y = y * fraction
    y = (exponent * -2.12194440E-4).addingProduct(y, square)
    y = y.addingProduct(square, -0.5)
    return (fraction + y).addingProduct(exponent, 0.693359375)
  }

  /// The sine and the cosine of `x`, which lies in [0, 8192).
  static func sineAndCosine(_ x: Float) -> (sine: Float, cosine: Float) {
    let octant = (Int32(x * 1.27323954473516) + 1) & ~1
    let multiple = Float(octant)
    var reduced = x.addingProduct(multiple, -0.78515625)
    reduced = reduced.addingProduct(multiple, -2.4187564849853515625E-4)
    reduced = reduced.addingProduct(multiple, -3.77489497744594108E-8)
    let square = reduced * reduced

    var even = Float(-1.388731625493765E-003).addingProduct(2.443315711809948E-005, square)
    even = Float(4.166664568298827E-002).addingProduct(even, square)
    even = (square * -0.5).addingProduct(even * square, square) + 1

    var odd = Float(8.3321608736E-3).addingProduct(-1.9515295891E-4, square)
    odd = Float(-1.6666654611E-1).addingProduct(odd, square)
    odd = reduced.addingProduct(odd * square, reduced)

    let isSwapped = octant & 2 != 0
    let sine = isSwapped ? even : odd
    let cosine = isSwapped ? odd : even
    return (octant & 4 == 0 ? sine : -sine, (octant - 2) & 4 == 0 ? -cosine : cosine)
  }
}
