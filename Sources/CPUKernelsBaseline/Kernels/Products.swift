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
    rows a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write, before upcoming: UpcomingRows
  ) {
    forEachTile(rowCount, columns, into: c, stride: stride, bias: bias, write, before: upcoming) {
      row, count, column, target in
      if row + count < rowCount {
        let first = depth * column / columns
        let length = depth * min(column + tileColumns, columns) / columns - first
        for next in row + count..<min(row + count + tileRows, rowCount) {
          a[next].prefetchFar(at: offset + first, count: length)
        }
      }
      multiplyTile(rowCount: count, depth: depth, panel: panels + column * depth, into: target) { first in
        SeparateRows(a + row + first, count: max(count - first, 1), offset: offset)
      }
    }
  }

  /// Products of columns; see `ProductKernels`. They are read where they lie: the elements of the rows of a tile are
  /// neighbours in memory.
  public static func multiply(
    columns a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write, before upcoming: UpcomingRows
  ) {
    forEachTile(rowCount, columns, into: c, stride: stride, bias: bias, write, before: upcoming) {
      row, count, column, target in
      let (panel, first) = (panels + column * depth, offset + row)
      if row + count < rowCount {
        let next = min(tileRows, rowCount - row - count)
        for k in depth * column / columns..<depth * min(column + tileColumns, columns) / columns {
          a[k].prefetchFar(at: first + count, count: next)
        }
      }
      if count == tileRows {
        multiplyTile(rowCount: count, depth: depth, panel: panel, into: target) { firstOfHalf in
          NeighbouringRows(columns: a, first: first + firstOfHalf)
        }
      } else {
        multiplyTile(rowCount: count, depth: depth, panel: panel, into: target) { firstOfHalf in
          FewNeighbouringRows(columns: a, first: first + firstOfHalf, count: max(count - firstOfHalf, 1))
        }
      }
    }
  }

  /// Calls `body` with the first row, the number of rows, the first column and the target of every tile, one row of
  /// tiles after the other, and asks for a share of what is needed next with each.
  @inline(__always)
  private static func forEachTile(
    _ rowCount: Int, _ columns: Int, into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write,
    before upcoming: UpcomingRows, _ body: (Int, Int, Int, EvenRows) -> Void
  ) {
    let count = (rowCount + tileRows - 1) / tileRows * ((columns + tileColumns - 1) / tileColumns)
    var index = 0
    var row = 0
    while row < rowCount {
      var column = 0
      while column < columns {
        upcoming.prefetchPart(index, of: count)
        let target = EvenRows(
          start: c + row * stride + column, stride: stride, columns: min(tileColumns, columns - column),
          bias: bias.map { $0 + column }, write: write)
        body(row, min(tileRows, rowCount - row), column, target)
        column += tileColumns
        index += 1
      }
      row += tileRows
    }
  }

  /// One block of `tileRows` rows and one panel.
  @inline(__always)
  private static func multiplyTile<Operand: TileOperand>(
    rowCount: Int, depth: Int, panel: ConstantFloats, into target: EvenRows, _ operand: (_ firstRow: Int) -> Operand
  ) {
    if target.columns > Vector.scalarCount {
      multiplyTile(Wide.self, rowCount, depth, panel, target, operand)
    } else {
      multiplyTile(Narrow.self, rowCount, depth, panel, target, operand)
    }
  }

  @inline(__always)
  private static func multiplyTile<Operand: TileOperand, Width: TileWidth>(
    _: Width.Type, _ rowCount: Int, _ depth: Int, _ panel: ConstantFloats, _ target: EvenRows,
    _ operand: (Int) -> Operand
  ) {
    let height = Tile<Width>.rows
    target.prefetchRows(rowCount)
    var b = panel
    var upper = Tile<Width>()
    let upperRows = operand(0)
    if rowCount > height {
      var lower = Tile<Width>()
      let lowerRows = operand(height)
      for k in 0..<depth {
        upper.addProducts(upperRows, k, b)
        lower.addProducts(lowerRows, k, b)
        b += tileColumns
      }
      target.store(lower, height, rowCount - height)
    } else {
      for k in 0..<depth {
        upper.addProducts(upperRows, k, b)
        b += tileColumns
      }
    }
    target.store(upper, 0, min(rowCount, height))
  }
}

extension UpcomingRows {
  /// Asks for one of `parts` equal parts.
  @inline(__always)
  fileprivate func prefetchPart(_ part: Int, of parts: Int) {
    guard let start else { return }
    for row in count * part / parts..<count * (part + 1) / parts {
      (start + row * stride).prefetchFar(at: 0, count: length)
    }
  }
}
