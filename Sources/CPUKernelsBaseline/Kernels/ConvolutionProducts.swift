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
        let target = PixelTarget(rows: c + row, column: column + first, count: min(tileColumns, columns - first))
        let panel = panels + first * taps * depth
        if target.count > width {
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
      target.add(lower, height, a.count - height)
    } else {
      for tap in 0..<taps {
        let rows = a.rows(tap: tap, from: 0)
        for k in 0..<depth {
          upper.addProducts(rows, k, b)
          b += tileColumns
        }
      }
    }
    target.add(upper, 0, min(a.count, height))
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

/// Where a block is added.
private struct PixelTarget {
  let rows: MutableRowPointers
  let column: Int
  /// At most two vectors.
  let count: Int

  /// Adds the first `rowCount` rows of a tile to the rows from `first` on.
  @inline(__always)
  func add<Width>(_ tile: Tile<Width>, _ first: Int, _ rowCount: Int) {
    let width = Vector.scalarCount
    if count == 2 * width {
      tile.forEachRow(rowCount) { row, left, right in
        let to = rows[first + row] + column
        to.store(left + ConstantFloats(to).vector())
        to.store(right + ConstantFloats(to).vector(at: width), at: width)
      }
    } else {
      let (leftCount, rightCount) = (min(count, width), count - width)
      tile.forEachRow(rowCount) { row, left, right in
        let to = rows[first + row] + column
        to.store(left + ConstantFloats(to).vector(count: leftCount), count: leftCount)
        if Width.isWide {
          to.store(right + ConstantFloats(to).vector(at: width, count: rightCount), at: width, count: rightCount)
        }
      }
    }
  }
}
