import CPUKernels

/// Where the rows of a product go as soon as they are known. A type, since closures that are called for each of a tile's
/// rows are not inlined.
protocol RowSink {
  /// Takes one row: two vectors, or one where tiles are narrow.
  mutating func take<Width: TileWidth>(_ row: Int, _ left: Vector, _ right: Vector, of width: Width.Type)
}

/// Adds rows to what is there.
struct RowSums: RowSink {
  let start: Floats
  let stride: Int

  @inline(__always)
  func take<Width: TileWidth>(_ row: Int, _ left: Vector, _ right: Vector, of _: Width.Type) {
    let sum = start + row * stride
    sum.store(ConstantFloats(sum).vector() + left)
    if Width.isWide { sum.store(ConstantFloats(sum).vector(at: Vector.scalarCount) + right, at: Vector.scalarCount) }
  }
}

/// Products with one panel. A panel has `tileColumns` columns; where it is narrow only the left half of them counts.
extension Kernels {
  /// Passes on each row of A B.
  ///
  /// - Parameters:
  ///   - a: [rowCount, depth], rows that lie `stride` apart.
  ///   - b: [depth], rows that lie `pitch` apart.
  @inline(__always)
  static func multiply<Width: TileWidth, Sink: RowSink>(
    _ width: Width.Type, rows a: ConstantFloats, stride: Int, rowCount: Int, depth: Int, _ b: ConstantFloats,
    pitch: Int, into sink: inout Sink
  ) {
    var row = 0
    while row < rowCount {
      let count = min(tileRows, rowCount - row)
      multiply(width, first: row, rowCount: count, depth: depth, b, pitch: pitch, into: &sink) { first in
        SeparateRows(a + (row + first) * stride, stride: stride, count: count - first)
      }
      row += tileRows
    }
  }

  /// Passes on each row of Aᵀ B.
  ///
  /// - Parameters:
  ///   - a: [depth, rowCount], rows that lie `stride` apart.
  ///   - b: [depth], rows that lie `pitch` apart.
  @inline(__always)
  static func multiply<Width: TileWidth, Sink: RowSink>(
    _ width: Width.Type, columns a: ConstantFloats, stride: Int, rowCount: Int, depth: Int, _ b: ConstantFloats,
    pitch: Int, into sink: inout Sink
  ) {
    let height = Tile<Width>.rows
    var row = 0
    while rowCount - row >= height {
      let count = rowCount - row >= tileRows ? tileRows : height
      multiply(width, first: row, rowCount: count, depth: depth, b, pitch: pitch, into: &sink) { first in
        InterleavedRows(start: a + row + first, pitch: stride)
      }
      row += count
    }
    if row < rowCount {
      multiply(width, first: row, rowCount: rowCount - row, depth: depth, b, pitch: pitch, into: &sink) { first in
        FewInterleavedRows(start: a + row + first, pitch: stride, count: rowCount - row)
      }
    }
  }

  /// One block of at most `tileRows` rows.
  @inline(__always)
  private static func multiply<Width: TileWidth, Operand: TileOperand, Sink: RowSink>(
    _: Width.Type, first: Int, rowCount: Int, depth: Int, _ b: ConstantFloats, pitch: Int, into sink: inout Sink,
    _ operand: (_ firstRow: Int) -> Operand
  ) {
    let height = Tile<Width>.rows
    var (upper, lower) = (Tile<Width>(), Tile<Width>())
    if rowCount > height {
      let (upperRows, lowerRows) = (operand(0), operand(height))
      for k in 0..<min(depth, sumLength) {
        upper.addProducts(upperRows, k, b + k * pitch)
        lower.addProducts(lowerRows, k, b + k * pitch)
      }
      var done = sumLength
      while done < depth {
        var (upperPart, lowerPart) = (Tile<Width>(), Tile<Width>())
        for k in done..<min(done + sumLength, depth) {
          upperPart.addProducts(upperRows, k, b + k * pitch)
          lowerPart.addProducts(lowerRows, k, b + k * pitch)
        }
        upper.add(upperPart)
        lower.add(lowerPart)
        done += sumLength
      }
      upper.pass(rows: height, first: first, to: &sink)
      lower.pass(rows: rowCount - height, first: first + height, to: &sink)
    } else {
      let rows = operand(0)
      for k in 0..<min(depth, sumLength) { upper.addProducts(rows, k, b + k * pitch) }
      var done = sumLength
      while done < depth {
        var part = Tile<Width>()
        for k in done..<min(done + sumLength, depth) { part.addProducts(rows, k, b + k * pitch) }
        upper.add(part)
        done += sumLength
      }
      upper.pass(rows: rowCount, first: first, to: &sink)
    }
  }

  /// How many products are added up one after the other; the rounding errors of longer sums grow faster than those of
  /// the sum of such parts.
  private static var sumLength: Int { 160 }

  /// The numbers of a vector's lanes.
  @inline(__always)
  static var lanes: Vector {
    var lanes = Vector.zero
    for lane in 0..<Vector.scalarCount { lanes[lane] = Float(lane) }
    return lanes
  }

  /// Rounds up to a multiple of a vector's width.
  @inline(__always)
  static func wholeVectors(_ count: Int) -> Int {
    (count + Vector.scalarCount - 1) / Vector.scalarCount * Vector.scalarCount
  }
}
