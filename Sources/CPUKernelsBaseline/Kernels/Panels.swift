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
    var k = 0
    while k < depth {
      let rows = min(width, depth - k)
      for half in 0..<2 {
        let count = min(max(columns - half * width, 0), width)
        let (from, to) = (b + half * width * stride + k, panel + k * tileColumns + half * width)
        if rows == width && count == width {
          transposeSquare(from, stride, into: to, tileColumns)
        } else {
          for row in 0..<rows {
            for column in 0..<width {
              to[row * tileColumns + column] = column < count ? from[column * stride + row] : 0
            }
          }
        }
      }
      k += width
    }
  }
}
