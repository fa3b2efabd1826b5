public import CPUKernels

extension Kernels {
  /// Σ x; see `ReductionKernels`.
  public static func sum(_ x: ConstantFloats, count: Int) -> Double {
    sumVectors(count) { x.vector(at: $0, count: $1) }
  }

  /// Σ x²; see `ReductionKernels`.
  public static func sumOfSquares(_ x: ConstantFloats, count: Int) -> Double {
    sumVectors(count) { offset, count in
      let number = x.vector(at: offset, count: count)
      return number * number
    }
  }

  /// Σ (a - b)²; see `ReductionKernels`.
  public static func squaredDistance(_ a: ConstantFloats, _ b: ConstantFloats, count: Int) -> Double {
    sumVectors(count) { offset, count in
      let difference = a.vector(at: offset, count: count) - b.vector(at: offset, count: count)
      return difference * difference
    }
  }

  /// Adds up vectors, whose terms are zero where one ends early, with an error that hardly grows with their number: each
  /// of four sums takes at most 64 of them before the total goes on in Float64.
  @inline(__always)
  static func sumVectors(_ count: Int, _ term: (_ offset: Int, _ count: Int) -> Vector) -> Double {
    let width = Vector.scalarCount
    var total = 0.0
    var offset = 0
    while offset < count {
      let end = min(offset + 256 * width, count)
      var (a, b, c, d) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
      while offset + 4 * width <= end {
        a += term(offset, width)
        b += term(offset + width, width)
        c += term(offset + 2 * width, width)
        d += term(offset + 3 * width, width)
        offset += 4 * width
      }
      forEachVector(end - offset) { a += term(offset + $0, $1) }
      total += Double(VectorMath.sum((a + b) + (c + d)))
      offset = end
    }
    return total
  }

  /// (a - b) · factor; see `ReductionKernels`.
  public static func scaledDifference(
    _ a: ConstantFloats, _ b: ConstantFloats, factor: Float, count: Int, into out: Floats, _ write: Write
  ) {
    storeVectors(count, into: out, write) { offset, count in
      (a.vector(at: offset, count: count) - b.vector(at: offset, count: count)) * factor
    }
  }

  /// The scaled sum of rows at a distance; see `ReductionKernels`.
  public static func sumRows(
    _ x: ConstantFloats, rows: Int, stride: Int, width: Int, scale: Float, into out: Floats, _ write: Write
  ) {
    let lanes = Vector.scalarCount
    var column = 0
    while column + 4 * lanes <= width {
      let x = x + column
      let sums = sumRuns(rows, FourVectors()) { sums, row in
        let from = x + row * stride
        sums.a += from.vector()
        sums.b += from.vector(at: lanes)
        sums.c += from.vector(at: 2 * lanes)
        sums.d += from.vector(at: 3 * lanes)
      }
      storeVectors(4 * lanes, into: out + column, write) { offset, _ in sums[offset / lanes] * scale }
      column += 4 * lanes
    }
    let rest = x + column
    storeVectors(width - column, into: out + column, write) { offset, count in
      sumRuns(rows, FourVectors()) { $0.a += rest.vector(at: $1 * stride + offset, count: count) }.a * scale
    }
  }

  /// The sum of rows anywhere; see `ReductionKernels`.
  public static func sumRows(
    _ rows: RowPointers, count rowCount: Int, width: Int, into out: Floats, _ write: Write
  ) {
    storeVectors(width, into: out, write) { offset, count in
      sumRuns(rowCount, FourVectors()) { $0.a += rows[$1].vector(at: offset, count: count) }.a
    }
  }

  /// Adds up rows. Runs of sixteen on their own keep the rounding error near that of a short sum.
  @inline(__always)
  private static func sumRuns(
    _ rows: Int, _ zero: FourVectors, _ addRow: (inout FourVectors, _ row: Int) -> Void
  ) -> FourVectors {
    var total = zero
    var row = 0
    while row < rows {
      let end = min(row + 16, rows)
      var run = zero
      while row < end {
        addRow(&run, row)
        row += 1
      }
      total = total + run
    }
    return total
  }
}

/// Neighbouring vectors, or only the first of them. A structure of named parts stays in registers.
private struct FourVectors {
  var a = Vector.zero, b = Vector.zero, c = Vector.zero, d = Vector.zero

  @inline(__always)
  static func + (x: FourVectors, y: FourVectors) -> FourVectors {
    FourVectors(a: x.a + y.a, b: x.b + y.b, c: x.c + y.c, d: x.d + y.d)
  }

  @inline(__always)
  subscript(index: Int) -> Vector {
    switch index {
    case 0: a
    case 1: b
    case 2: c
    default: d
    }
  }
}
