public import CPUKernels

extension Kernels {
  /// Puts the right operand of a product in order; see `ProductKernels`.
  public static func packPanels(
    _ b: ConstantFloats, stride: Int, isTransposed: Bool, depth: Int, columns: Int, into panels: Floats
  ) {
    var column = 0
    while column < columns {
      let panel = panels + column * depth
      let count = min(tileColumns, columns - column)
      if isTransposed {
        packTransposedPanel(b + column * stride, stride: stride, depth: depth, columns: count, into: panel)
      } else {
        packPanel(b + column, stride: stride, depth: depth, columns: count, into: panel)
      }
      column += tileColumns
    }
  }

  @inline(__always)
  private static func packPanel(_ b: ConstantFloats, stride: Int, depth: Int, columns: Int, into panel: Floats) {
    let left = min(columns, Vector.scalarCount)
    let right = max(columns - Vector.scalarCount, 0)
    for k in 0..<depth {
      let (from, to) = (b + k * stride, panel + k * tileColumns)
      to.store(from.vector(count: left))
      to.store(from.vector(at: Vector.scalarCount, count: right), at: Vector.scalarCount)
    }
  }

  /// Columns that lie in one piece each, taken in squares of one vector's width.
  @inline(__always)
  private static func packTransposedPanel(
    _ b: ConstantFloats, stride: Int, depth: Int, columns: Int, into panel: Floats
  ) {
    let width = Vector.scalarCount
    for half in 0..<2 {
      let (from, to) = (b + half * width * stride, panel + half * width)
      let count = min(max(columns - half * width, 0), width)
      var k = 0
      while k < depth {
        // The last block begins early enough to be whole.
        let first = min(k, max(depth - width, 0))
        forEachColumn(of: from + first, stride: stride, rows: count, columns: min(depth, width)) { row, vector in
          (to + (first + row) * tileColumns).store(vector)
        }
        k += width
      }
    }
  }

  /// Exchanges rows and columns; see `ProductKernels`.
  public static func transpose(
    _ x: ConstantFloats, stride: Int, rows: Int, columns: Int, into out: Floats, stride outStride: Int,
    bias: ConstantFloats?, _ write: Write
  ) {
    let width = Vector.scalarCount
    var row = 0
    while row < rows {
      let rowCount = min(width, rows - row)
      let start = bias.map { $0.vector(at: row, count: rowCount) } ?? .zero
      var column = 0
      while column < columns {
        let to = out + column * outStride + row
        forEachColumn(
          of: x + row * stride + column, stride: stride, rows: rowCount, columns: min(width, columns - column)
        ) { index, vector in
          // A plain transposition keeps every bit, that of a negative zero too.
          var sum = bias == nil ? vector : vector + start
          if write == .accumulate { sum += ConstantFloats(to + index * outStride).vector(count: rowCount) }
          (to + index * outStride).store(sum, count: rowCount)
        }
        column += width
      }
      row += width
    }
  }
}
