import CPUKernels

/// Four vectors, which stay in registers where an array would not.
struct Quadruple {
  var first, second, third, fourth: Vector

  @inline(__always)
  init(_ first: Vector, _ second: Vector, _ third: Vector, _ fourth: Vector) {
    (self.first, self.second, self.third, self.fourth) = (first, second, third, fourth)
  }

  /// What `element` gives for 0...3.
  @inline(__always)
  init(_ element: (Int) -> Vector) { self.init(element(0), element(1), element(2), element(3)) }
}

/// The transforms of F(2, 3), which makes two outputs from four inputs and three weights. Applied to the columns and then
/// to the rows of a matrix they are those of F(2 x 2, 3 x 3).
enum Winograd {
  /// Bᵀ d.
  @inline(__always)
  static func window(_ d: Quadruple) -> Quadruple {
    Quadruple(d.first - d.third, d.second + d.third, d.third - d.second, d.second - d.fourth)
  }

  /// G g. The factors are exact, so that each element is rounded as a sum.
  @inline(__always)
  static func weights(_ a: Vector, _ b: Vector, _ c: Vector) -> Quadruple {
    let (outer, inner) = ((a + c) * 0.5, b * 0.5)
    return Quadruple(a, outer + inner, outer - inner, c)
  }

  /// Aᵀ m.
  @inline(__always)
  static func outputs(_ m: Quadruple) -> (Vector, Vector) {
    (m.first + m.second + m.third, m.second - m.third - m.fourth)
  }

  /// A y.
  @inline(__always)
  static func gradients(_ a: Vector, _ b: Vector) -> Quadruple { Quadruple(a, a + b, a - b, -b) }

  /// Gᵀ u.
  @inline(__always)
  static func weightSums(_ u: Quadruple) -> (Vector, Vector, Vector) {
    let half = (u.second + u.third) * 0.5
    return (u.first + half, (u.second - u.third) * 0.5, half + u.fourth)
  }
}
