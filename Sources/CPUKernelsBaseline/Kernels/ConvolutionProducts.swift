public import CPUKernels

extension Kernels {
  /// Products of rows that lie anywhere, added to rows that lie anywhere; see `ConvolutionKernels`.
  public static func addProducts(
    rows a: RowPointers, offset: Int, rowCount: Int, taps: Int, depth: Int, panels: ConstantFloats, columns: Int,
    to c: MutableRowPointers, at column: Int
  ) {
    let width = Vector.scalarCount
    var row = 0
    while row < rowCount {
      let operand = PixelRows(a + row, pitch: rowCount, count: min(tileRows, rowCount - row), offset: offset)
      var first = 0
      while first < columns {
        let target = PixelTarget(rows: c + row, column: column + first, columns: min(tileColumns, columns - first))
        let panel = panels + first * taps * depth
        if target.columns > width {
          addTile(Wide.self, operand, taps, depth, panel, to: target)
        } else {
          addTile(Narrow.self, operand, taps, depth, panel, to: target)
        }
        first += tileColumns
      }
      row += tileRows
    }
  }

  /// One block of at most `tileRows` rows and one panel.
  @inline(__always)
  private static func addTile<Width: TileWidth>(
    _: Width.Type, _ a: PixelRows, _ taps: Int, _ depth: Int, _ panel: ConstantFloats, to target: PixelTarget
  ) {
    let height = Tile<Width>.rows
    var (upper, lower) = (Tile<Width>(), Tile<Width>())
    var b = panel
    if a.count > height {
      for tap in 0..<taps {
        let (upperRows, lowerRows) = (a.rows(tap: tap, from: 0), a.rows(tap: tap, from: height))
        for k in 0..<depth {
          upper.addProducts(upperRows, k, b)
          lower.addProducts(lowerRows, k, b)
          b += tileColumns
        }
      }
      target.store(lower, height, a.count - height)
    } else {
      for tap in 0..<taps {
        let rows = a.rows(tap: tap, from: 0)
        for k in 0..<depth {
          upper.addProducts(rows, k, b)
          b += tileColumns
        }
      }
    }
    target.store(upper, 0, min(a.count, height))
  }
}

/// The rows of a block, for each tap.
private struct PixelRows {
  private let start: RowPointers
  private let pitch: Int
  private let offset: Int
  let count: Int

  @inline(__always)
  init(_ start: RowPointers, pitch: Int, count: Int, offset: Int) {
    (self.start, self.pitch, self.count, self.offset) = (start, pitch, count, offset)
  }

  @inline(__always)
  func rows(tap: Int, from first: Int) -> SeparateRows {
    SeparateRows(start + tap * pitch + first, count: count - first, offset: offset)
  }
}

/// Pixels that lie anywhere, to which a block is added.
private struct PixelTarget: TileTarget {
  let rows: MutableRowPointers
  let column: Int
  let columns: Int
  let bias: ConstantFloats? = nil
  let write = Write.accumulate

  @inline(__always)
  func row(_ index: Int) -> Floats { rows[index] + column }
}
