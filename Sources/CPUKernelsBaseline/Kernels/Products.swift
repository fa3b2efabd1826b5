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
        if row + count < rowCount {
          prefetchRows(
            a, offset: offset, rowCount: rowCount, from: row + count, taps: taps, depth: depth, column: column, columns)
        }
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

  /// Asks for the rows of the next tile, a part of each with every panel.
  @inline(__always)
  private static func prefetchRows(
    _ a: RowPointers, offset: Int, rowCount: Int, from row: Int, taps: Int, depth: Int, column: Int, _ columns: Int
  ) {
    let first = depth * column / columns
    let count = depth * min(column + tileColumns, columns) / columns - first
    for tap in 0..<taps {
      for next in row..<min(row + tileRows, rowCount) {
        a[tap * rowCount + next].prefetchFar(at: offset + first, count: count)
      }
    }
  }

  /// Products of columns; see `ProductKernels`. The rows of a few tiles are brought together first, and used for all
  /// panels.
  public static func multiply(
    columns a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write
  ) {
    // As many tiles as fit in 128 KB: the longer the pieces that are read from each of A's rows, the better.
    let tileSize = max(depth * tileRows, 1)
    let blockRows = min(max((1 << 15) / tileSize, 1) * tileRows, rowCount)
    let capacity = (blockRows + tileRows - 1) / tileRows * tileSize
    withUnsafeTemporaryAllocation(byteCount: 4 * max(capacity, 1), alignment: 64) { memory in
      let tiles = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      var row = 0
      var blockEnd = 0
      while row < rowCount {
        if row == blockEnd {
          blockEnd = min(row + blockRows, rowCount)
          interleave(a, offset: offset + row, count: blockEnd - row, depth: depth, into: tiles)
        }
        let tile = tiles + (row % blockRows) * depth
        let nextCount = min(blockRows, rowCount - blockEnd)
        var column = 0
        while column < columns {
          if nextCount > 0 {
            // A part of the next block with every tile and panel.
            let done = (row % blockRows) * columns + column * tileRows
            let first = depth * done / (blockRows * columns)
            let end = min(depth * (done + tileColumns * tileRows) / (blockRows * columns) + 1, depth)
            for k in first..<end { a[k].prefetchFar(at: offset + blockEnd, count: nextCount) }
          }
          let target = TileTarget(
            start: c + row * stride + column, stride: stride, columns: min(tileColumns, columns - column),
            bias: bias.map { $0 + column }, write: write)
          multiplyTile(
            rowCount: min(tileRows, rowCount - row), taps: 1, depth: depth, panel: panels + column * depth, into: target
          ) { _, first in InterleavedRows(start: tile + first, pitch: tileRows) }
          column += tileColumns
        }
        row += tileRows
      }
    }
  }

  /// Copies `count` neighbouring columns of all rows, [tiles, depth, tileRows].
  @inline(__always)
  private static func interleave(_ rows: RowPointers, offset: Int, count: Int, depth: Int, into tiles: Floats) {
    for k in 0..<depth {
      let from = rows[k] + offset
      var to = tiles + k * tileRows
      var column = 0
      while column + tileRows <= count {
        copyTileRow(from + column, to)
        to += depth * tileRows
        column += tileRows
      }
      if column < count {
        for element in 0..<tileRows { to[element] = column + element < count ? from[column + element] : 0 }
      }
    }
  }

  @inline(__always)
  private static func copyTileRow(_ from: ConstantFloats, _ to: Floats) {
    // Twelve or six numbers, in the largest pieces that have such a size.
    #if V4
      to.copyVector(SIMD8<Float>.self, from)
      (to + 8).copyVector(SIMD4<Float>.self, from + 8)
    #else
      to.copyVector(SIMD4<Float>.self, from)
      (to + 4).copyVector(SIMD2<Float>.self, from + 4)
    #endif
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
    target.prefetchRows(rowCount)
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

extension Floats {
  @inline(__always)
  fileprivate func copyVector<V: SIMD>(_: V.Type, _ from: ConstantFloats) {
    let vector = UnsafeRawPointer(from).loadUnaligned(as: V.self)
    UnsafeMutableRawPointer(self).storeBytes(of: vector, as: V.self)
  }
}
