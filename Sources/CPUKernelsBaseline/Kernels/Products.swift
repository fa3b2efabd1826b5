public import CPUKernels

extension Kernels {
  #if V4
    /// The rows of the result that are computed at once: the sums of two tiles fill 24 of 32 registers.
    public static var tileRows: Int { 2 * Tile<Wide>.rows }
  #else
    /// The rows of the result that are computed at once: the sums of a tile fill 12 of 16 registers.
    public static var tileRows: Int { Tile<Wide>.rows }
  #endif
  /// The columns of a panel.
  public static var tileColumns: Int { 2 * Vector.scalarCount }

  /// Products of rows that lie anywhere; see `ProductKernels`.
  public static func multiply(
    rows a: RowPointers, offset: Int, rowCount: Int, taps: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write
  ) {
    var row = 0
    while row < rowCount {
      let count = min(tileRows, rowCount - row)
      var column = 0
      while column < columns {
        let target = TileTarget(
          start: c + row * stride + column, stride: stride, columns: min(tileColumns, columns - column),
          bias: bias.map { $0 + column }, write: write)
        multiplyTile(
          rowCount: count, taps: taps, depth: depth, panel: panels + column * taps * depth, into: target
        ) { tap, first in
          SeparateRows(a + tap * rowCount + row + first, count: max(count - first, 1), offset: offset)
        }
        column += tileColumns
      }
      row += tileRows
    }
  }

  /// Products of columns; see `ProductKernels`. The rows of a tile are brought together first, and used for all panels.
  public static func multiply(
    columns a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, _ write: Write
  ) {
    withUnsafeTemporaryAllocation(byteCount: 4 * (depth * tileRows + Vector.scalarCount), alignment: 64) { memory in
      let interleaved = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      var row = 0
      while row < rowCount {
        let count = min(tileRows, rowCount - row)
        interleave(a, offset: offset + row, count: count, depth: depth, into: interleaved)
        var column = 0
        while column < columns {
          let target = TileTarget(
            start: c + row * stride + column, stride: stride, columns: min(tileColumns, columns - column), bias: nil,
            write: write)
          multiplyTile(
            rowCount: count, taps: 1, depth: depth, panel: panels + column * depth, into: target
          ) { _, first in InterleavedRows(start: interleaved + first, pitch: tileRows) }
          column += tileColumns
        }
        row += tileRows
      }
    }
  }

  /// Copies `count` neighbouring columns of all rows, [depth, tileRows].
  @inline(__always)
  private static func interleave(_ rows: RowPointers, offset: Int, count: Int, depth: Int, into out: Floats) {
    if count == tileRows {
      for k in 0..<depth {
        // One vector, or one and a half: what is stored beyond is overwritten by the next row.
        let (from, to) = (rows[k] + offset, out + k * tileRows)
        for element in 0..<tileRows { to[element] = from[element] }
      }
    } else {
      for k in 0..<depth {
        for element in 0..<count { out[k * tileRows + element] = rows[k][offset + element] }
        for element in count..<tileRows { out[k * tileRows + element] = 0 }
      }
    }
  }

  /// One block of `tileRows` rows and one panel.
  @inline(__always)
  private static func multiplyTile<Operand: TileOperand>(
    rowCount: Int, taps: Int, depth: Int, panel: ConstantFloats, into target: TileTarget,
    _ operand: (_ tap: Int, _ firstRow: Int) -> Operand
  ) {
    if target.columns > Vector.scalarCount {
      multiplyTile(Wide.self, rowCount, taps, depth, panel, target, operand)
    } else {
      multiplyTile(Narrow.self, rowCount, taps, depth, panel, target, operand)
    }
  }

  @inline(__always)
  private static func multiplyTile<Operand: TileOperand, Width: TileWidth>(
    _: Width.Type, _ rowCount: Int, _ taps: Int, _ depth: Int, _ panel: ConstantFloats, _ target: TileTarget,
    _ operand: (Int, Int) -> Operand
  ) {
    let tileHeight = Tile<Width>.rows
    var (upper, lower) = (Tile<Width>(), Tile<Width>())
    var b = panel
    if rowCount > tileHeight {
      for tap in 0..<taps {
        let (upperRows, lowerRows) = (operand(tap, 0), operand(tap, tileHeight))
        for k in 0..<depth {
          upper.addProducts(upperRows, k, b)
          lower.addProducts(lowerRows, k, b)
          b += tileColumns
        }
      }
      target.store(lower, tileHeight, rowCount - tileHeight)
    } else {
      for tap in 0..<taps {
        let rows = operand(tap, 0)
        for k in 0..<depth {
          upper.addProducts(rows, k, b)
          b += tileColumns
        }
      }
    }
    target.store(upper, 0, min(rowCount, tileHeight))
  }
}
