import CPUKernels

/// Six vectors, which stay in registers where an array would not.
private struct Sextuple {
  var first, second, third, fourth, fifth, sixth: Vector

  @inline(__always)
  init(
    _ first: Vector, _ second: Vector, _ third: Vector, _ fourth: Vector, _ fifth: Vector, _ sixth: Vector
  ) {
    (self.first, self.second, self.third) = (first, second, third)
    (self.fourth, self.fifth, self.sixth) = (fourth, fifth, sixth)
  }

  /// What `element` gives for 0...5.
  @inline(__always)
  init(_ element: (Int) -> Vector) {
    self.init(element(0), element(1), element(2), element(3), element(4), element(5))
  }
}

/// x + factor · y.
@inline(__always)
private func sum(_ x: Vector, _ factor: Float, times y: Vector) -> Vector {
  var sum = x
  addProduct(Vector(repeating: factor), y, to: &sum)
  return sum
}

/// The transforms of F(4, 3), which makes four outputs from six inputs and three weights.
///
/// They evaluate polynomials at the points 0, ±a, ±b and infinity, with a = 5/8 and b = 3/2. With the usual ±1 and ±2,
/// whose powers differ more in size, the rounding errors of a convolution are more than twice as large (B. Barabasz et
/// al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020).
private enum FourOfSix {
  private static var a: Float { 0.625 }
  private static var b: Float { 1.5 }

  /// Bᵀ d: for each point the coefficients of the polynomial that is zero at all others.
  @inline(__always)
  static func window(_ d: Sextuple) -> Sextuple {
    let (aa, bb) = (a * a, b * b)
    // The polynomials of ±a have the same even and opposite odd coefficients, and so do those of ±b.
    let nearEven = sum(d.fifth, -bb, times: d.third)
    let nearOdd = sum(d.fourth, -bb, times: d.second) * a
    let farEven = sum(d.fifth, -aa, times: d.third)
    let farOdd = sum(d.fourth, -aa, times: d.second) * b
    return Sextuple(
      sum(sum(d.fifth, -(aa + bb), times: d.third), aa * bb, times: d.first), nearEven + nearOdd, nearEven - nearOdd,
      farEven + farOdd, farEven - farOdd,
      sum(sum(d.sixth, -(aa + bb), times: d.fourth), aa * bb, times: d.second))
  }

  /// G g: the weights as a polynomial at each point, over the product of the distances to the others.
  @inline(__always)
  static func weights(_ g0: Vector, _ g1: Vector, _ g2: Vector) -> Sextuple {
    let (aa, bb) = (a * a, b * b)
    let (near, far) = (1 / (2 * aa * (aa - bb)), 1 / (2 * bb * (bb - aa)))
    let (nearEven, nearOdd) = (sum(g0, aa, times: g2) * near, g1 * (a * near))
    let (farEven, farOdd) = (sum(g0, bb, times: g2) * far, g1 * (b * far))
    return Sextuple(
      g0 * (1 / (aa * bb)), nearEven + nearOdd, nearEven - nearOdd, farEven + farOdd, farEven - farOdd, g2)
  }

  /// Aᵀ m: powers of the points.
  @inline(__always)
  static func outputs(_ m: Sextuple) -> Quadruple {
    let (aa, bb) = (a * a, b * b)
    let (nearSum, nearDifference) = (m.second + m.third, (m.second - m.third) * a)
    let (farSum, farDifference) = (m.fourth + m.fifth, (m.fourth - m.fifth) * b)
    return Quadruple(
      m.first + nearSum + farSum, nearDifference + farDifference, sum(nearSum * aa, bb, times: farSum),
      sum(sum(m.sixth, aa, times: nearDifference), bb, times: farDifference))
  }
}

/// Six columns.
private struct Columns {
  let first, second, third, fourth, fifth, sixth: Sextuple

  /// What `column` gives for 0...5.
  @inline(__always)
  init(_ column: (Int) -> Sextuple) {
    (first, second, third) = (column(0), column(1), column(2))
    (fourth, fifth, sixth) = (column(3), column(4), column(5))
  }

  /// A row: the same element of all columns.
  @inline(__always)
  func row(_ element: (Sextuple) -> Vector) -> Sextuple {
    Sextuple(element(first), element(second), element(third), element(fourth), element(fifth), element(sixth))
  }
}

/// Tiles of 4 x 4 pixels from windows of 6 x 6.
enum TilesOfFour: WinogradTransforms {
  static var size: WinogradTile { .four }

  @inline(__always)
  static func storeWindow(into out: Floats, _ distance: Int, _ pixel: (Int) -> Vector) {
    // The columns of the window first: Bᵀ d.
    let columns = Columns { column in FourOfSix.window(Sextuple { pixel(6 * $0 + column) }) }
    storeRow(FourOfSix.window(columns.row { $0.first }), 0, out, distance)
    storeRow(FourOfSix.window(columns.row { $0.second }), 1, out, distance)
    storeRow(FourOfSix.window(columns.row { $0.third }), 2, out, distance)
    storeRow(FourOfSix.window(columns.row { $0.fourth }), 3, out, distance)
    storeRow(FourOfSix.window(columns.row { $0.fifth }), 4, out, distance)
    storeRow(FourOfSix.window(columns.row { $0.sixth }), 5, out, distance)
  }

  @inline(__always)
  static func storeWeights(into out: Floats, _ distance: Int, _ tap: (Int) -> Vector) {
    // The columns of the kernel first: G g.
    let left = FourOfSix.weights(tap(0), tap(3), tap(6))
    let middle = FourOfSix.weights(tap(1), tap(4), tap(7))
    let right = FourOfSix.weights(tap(2), tap(5), tap(8))
    storeRow(FourOfSix.weights(left.first, middle.first, right.first), 0, out, distance)
    storeRow(FourOfSix.weights(left.second, middle.second, right.second), 1, out, distance)
    storeRow(FourOfSix.weights(left.third, middle.third, right.third), 2, out, distance)
    storeRow(FourOfSix.weights(left.fourth, middle.fourth, right.fourth), 3, out, distance)
    storeRow(FourOfSix.weights(left.fifth, middle.fifth, right.fifth), 4, out, distance)
    storeRow(FourOfSix.weights(left.sixth, middle.sixth, right.sixth), 5, out, distance)
  }

  @inline(__always)
  static func passTile(of sums: ConstantFloats, _ distance: Int, _ pixel: (Int, Vector) -> Void) {
    // The columns of the sums first: Aᵀ m.
    let first = outputs(sums, ofColumn: 0, distance)
    let second = outputs(sums, ofColumn: 1, distance)
    let third = outputs(sums, ofColumn: 2, distance)
    let fourth = outputs(sums, ofColumn: 3, distance)
    let fifth = outputs(sums, ofColumn: 4, distance)
    let sixth = outputs(sums, ofColumn: 5, distance)
    passRow(0, pixel, first.first, second.first, third.first, fourth.first, fifth.first, sixth.first)
    passRow(1, pixel, first.second, second.second, third.second, fourth.second, fifth.second, sixth.second)
    passRow(2, pixel, first.third, second.third, third.third, fourth.third, fifth.third, sixth.third)
    passRow(3, pixel, first.fourth, second.fourth, third.fourth, fourth.fourth, fifth.fourth, sixth.fourth)
  }

  @inline(__always)
  private static func outputs(_ sums: ConstantFloats, ofColumn column: Int, _ distance: Int) -> Quadruple {
    FourOfSix.outputs(Sextuple { sums.vector(at: (6 * $0 + column) * distance) })
  }

  @inline(__always)
  private static func passRow(
    _ index: Int, _ pixel: (Int, Vector) -> Void, _ first: Vector, _ second: Vector, _ third: Vector,
    _ fourth: Vector, _ fifth: Vector, _ sixth: Vector
  ) {
    let row = FourOfSix.outputs(Sextuple(first, second, third, fourth, fifth, sixth))
    pixel(4 * index, row.first)
    pixel(4 * index + 1, row.second)
    pixel(4 * index + 2, row.third)
    pixel(4 * index + 3, row.fourth)
  }

  /// Stores a row of the 36 elements.
  @inline(__always)
  private static func storeRow(_ row: Sextuple, _ index: Int, _ out: Floats, _ distance: Int) {
    let out = out + 6 * index * distance
    out.store(row.first)
    out.store(row.second, at: distance)
    out.store(row.third, at: 2 * distance)
    out.store(row.fourth, at: 3 * distance)
    out.store(row.fifth, at: 4 * distance)
    out.store(row.sixth, at: 5 * distance)
  }
}
