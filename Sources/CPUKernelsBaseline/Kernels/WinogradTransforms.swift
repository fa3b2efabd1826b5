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

/// What Winograd's algorithm does with one vector of channels, for tiles of one size.
protocol WinogradTransforms {
  static var size: WinogradTile { get }
  /// Stores Bᵀ d B of a window, whose pixels `pixel` gives; elements lie `distance` apart.
  static func storeWindow(into out: Floats, _ distance: Int, _ pixel: (Int) -> Vector)
  /// Stores G g Gᵀ of the weights that `tap` gives.
  static func storeWeights(into out: Floats, _ distance: Int, _ tap: (Int) -> Vector)
  /// Passes on the pixels of Aᵀ m A of sums.
  static func passTile(of sums: ConstantFloats, _ distance: Int, _ pixel: (Int, Vector) -> Void)
}

/// Tiles of 2 x 2 pixels from windows of 4 x 4.
enum TilesOfTwo: WinogradTransforms {
  static var size: WinogradTile { .two }

  @inline(__always)
  static func storeWindow(into out: Floats, _ distance: Int, _ pixel: (Int) -> Vector) {
    // The columns of the window first: Bᵀ d.
    let first = Winograd.window(Quadruple { pixel(4 * $0) })
    let second = Winograd.window(Quadruple { pixel(4 * $0 + 1) })
    let third = Winograd.window(Quadruple { pixel(4 * $0 + 2) })
    let fourth = Winograd.window(Quadruple { pixel(4 * $0 + 3) })
    storeRow(Winograd.window(Quadruple(first.first, second.first, third.first, fourth.first)), 0, out, distance)
    storeRow(Winograd.window(Quadruple(first.second, second.second, third.second, fourth.second)), 1, out, distance)
    storeRow(Winograd.window(Quadruple(first.third, second.third, third.third, fourth.third)), 2, out, distance)
    storeRow(Winograd.window(Quadruple(first.fourth, second.fourth, third.fourth, fourth.fourth)), 3, out, distance)
  }

  @inline(__always)
  static func storeWeights(into out: Floats, _ distance: Int, _ tap: (Int) -> Vector) {
    // The columns of the kernel first: G g.
    let left = Winograd.weights(tap(0), tap(3), tap(6))
    let middle = Winograd.weights(tap(1), tap(4), tap(7))
    let right = Winograd.weights(tap(2), tap(5), tap(8))
    storeRow(Winograd.weights(left.first, middle.first, right.first), 0, out, distance)
    storeRow(Winograd.weights(left.second, middle.second, right.second), 1, out, distance)
    storeRow(Winograd.weights(left.third, middle.third, right.third), 2, out, distance)
    storeRow(Winograd.weights(left.fourth, middle.fourth, right.fourth), 3, out, distance)
  }

  @inline(__always)
  static func passTile(of sums: ConstantFloats, _ distance: Int, _ pixel: (Int, Vector) -> Void) {
    // Sums of one row of the 16 elements are those of one column of Aᵀ m.
    let first = rowOutputs(sums, 0, distance)
    let second = rowOutputs(sums, 1, distance)
    let third = rowOutputs(sums, 2, distance)
    let fourth = rowOutputs(sums, 3, distance)
    let left = Winograd.outputs(Quadruple(first.0, second.0, third.0, fourth.0))
    let right = Winograd.outputs(Quadruple(first.1, second.1, third.1, fourth.1))
    pixel(0, left.0)
    pixel(1, right.0)
    pixel(2, left.1)
    pixel(3, right.1)
  }

  @inline(__always)
  private static func rowOutputs(_ sums: ConstantFloats, _ row: Int, _ distance: Int) -> (Vector, Vector) {
    let sums = sums + 4 * row * distance
    return Winograd.outputs(Quadruple { sums.vector(at: $0 * distance) })
  }

  /// Stores a row of the 16 elements.
  @inline(__always)
  static func storeRow(_ row: Quadruple, _ index: Int, _ out: Floats, _ distance: Int) {
    let out = out + 4 * index * distance
    out.store(row.first)
    out.store(row.second, at: distance)
    out.store(row.third, at: 2 * distance)
    out.store(row.fourth, at: 3 * distance)
  }
}
