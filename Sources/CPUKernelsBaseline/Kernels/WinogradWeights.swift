public import CPUKernels

extension Kernels {
  /// G g Gᵀ of weights; see `WinogradKernels`.
  public static func transformWeights(
    _ tile: WinogradTile, _ weights: ConstantFloats, tapDistance: Int, stride: Int, isTurned: Bool, depth: Int,
    columns: Int, into panels: Floats, distance: Int
  ) {
    let taps = WinogradTaps(start: weights, distance: tapDistance, stride: stride, isTurned: isTurned)
    switch tile {
    case .two:
      transformWeights(TilesOfTwo.self, taps, depth: depth, columns: columns, into: panels, distance: distance)
    case .four:
      transformWeights(TilesOfFour.self, taps, depth: depth, columns: columns, into: panels, distance: distance)
    }
  }

  @inline(__always)
  private static func transformWeights<Tiles: WinogradTransforms>(
    _: Tiles.Type, _ taps: WinogradTaps, depth: Int, columns: Int, into panels: Floats, distance: Int
  ) {
    var column = 0
    while column < columns {
      let panel = panels + column * depth
      let count = min(tileColumns, columns - column)
      if taps.isTurned {
        transformTurnedPanel(
          Tiles.self, taps, from: column, depth: depth, columns: count, into: panel, distance: distance)
      } else {
        transformPanel(Tiles.self, taps, from: column, depth: depth, columns: count, into: panel, distance: distance)
      }
      column += tileColumns
    }
  }

  /// Rows of all taps, of at most `tileColumns` columns.
  @inline(__always)
  private static func transformPanel<Tiles: WinogradTransforms>(
    _: Tiles.Type, _ taps: WinogradTaps, from first: Int, depth: Int, columns: Int, into panel: Floats, distance: Int
  ) {
    let (weights, tapDistance, stride) = (taps.start + first, taps.distance, taps.stride)
    let left = min(columns, Vector.scalarCount)
    let right = max(columns - Vector.scalarCount, 0)
    for k in 0..<depth {
      let (from, to) = (weights + k * stride, panel + k * tileColumns)
      // Short pieces of rows far apart: no processor foresees them.
      for tap in 0..<9 { prefetchRow(from + tap * tapDistance + rowsAhead * stride) }
      Tiles.storeWeights(into: to, distance) { from.vector(at: $0 * tapDistance, count: left) }
      Tiles.storeWeights(into: to + Vector.scalarCount, distance) {
        from.vector(at: $0 * tapDistance + Vector.scalarCount, count: right)
      }
    }
  }

  /// How many rows before they are needed weights are asked for: about the time that memory takes to answer.
  private static var rowsAhead: Int { 8 }

  /// Asks for the cache lines of one row of a panel.
  @inline(__always)
  private static func prefetchRow(_ row: ConstantFloats) {
    prefetch(row)
    if tileColumns > 16 { prefetch(row + 16) }
  }

  /// The taps in reverse order, each transposed in squares of one vector's width first.
  @inline(__always)
  private static func transformTurnedPanel<Tiles: WinogradTransforms>(
    _: Tiles.Type, _ taps: WinogradTaps, from first: Int, depth: Int, columns: Int, into panel: Floats, distance: Int
  ) {
    let (weights, tapDistance, stride) = (taps.start + first * taps.stride, taps.distance, taps.stride)
    let (width, size) = (Vector.scalarCount, Vector.scalarCount * tileColumns)
    withUnsafeTemporaryAllocation(byteCount: 9 * size * 4, alignment: 64) { memory in
      let pieces = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      var k = 0
      while k < depth {
        let rows = min(width, depth - k)
        for tap in 0..<9 {
          for half in 0..<2 {
            let from = weights + (8 - tap) * tapDistance + half * width * stride + k
            let count = min(max(columns - half * width, 0), width)
            for column in 0..<count { prefetch(from + column * stride + width) }
            let to = pieces + tap * size + half * width
            forEachColumn(of: from, stride: stride, rows: count, columns: rows) { row, vector in
              (to + row * tileColumns).store(vector)
            }
          }
        }
        for row in 0..<rows {
          let from = ConstantFloats(pieces + row * tileColumns)
          let to = panel + (k + row) * tileColumns
          Tiles.storeWeights(into: to, distance) { from.vector(at: $0 * size) }
          Tiles.storeWeights(into: to + width, distance) { from.vector(at: $0 * size + width) }
        }
        k += width
      }
    }
  }

  /// Gᵀ u G of sums; see `WinogradKernels`.
  public static func transformWeightSums(
    _ matrices: ConstantFloats, distance: Int, rows: Int, columns: Int, into weights: Floats, tapDistance: Int,
    stride: Int, _ write: Write
  ) {
    for row in 0..<rows {
      let (sums, out) = (matrices + row * columns, weights + row * stride)
      var column = 0
      while column < columns {
        let count = min(Vector.scalarCount, columns - column)
        let first = rowWeightSums(sums + column, 0, distance, count)
        let second = rowWeightSums(sums + column, 1, distance, count)
        let third = rowWeightSums(sums + column, 2, distance, count)
        let fourth = rowWeightSums(sums + column, 3, distance, count)
        let left = Winograd.weightSums(Quadruple(first.0, second.0, third.0, fourth.0))
        let middle = Winograd.weightSums(Quadruple(first.1, second.1, third.1, fourth.1))
        let right = Winograd.weightSums(Quadruple(first.2, second.2, third.2, fourth.2))
        let taps = (out + column, tapDistance)
        storeKernelRow((left.0, middle.0, right.0), 0, taps, count, write)
        storeKernelRow((left.1, middle.1, right.1), 1, taps, count, write)
        storeKernelRow((left.2, middle.2, right.2), 2, taps, count, write)
        column += Vector.scalarCount
      }
    }
  }

  @inline(__always)
  private static func rowWeightSums(
    _ sums: ConstantFloats, _ row: Int, _ distance: Int, _ count: Int
  ) -> (Vector, Vector, Vector) {
    let sums = sums + 4 * row * distance
    return Winograd.weightSums(Quadruple { sums.vector(at: $0 * distance, count: count) })
  }

  @inline(__always)
  private static func storeKernelRow(
    _ values: (Vector, Vector, Vector), _ row: Int, _ taps: (start: Floats, distance: Int), _ count: Int, _ write: Write
  ) {
    let first = taps.start + 3 * row * taps.distance
    store(values.0, first, 0, count, write)
    store(values.1, first, taps.distance, count, write)
    store(values.2, first, 2 * taps.distance, count, write)
  }
}

/// The weights of a convolution: nine matrices [depth, columns], or [columns, depth] where they are to be turned.
private struct WinogradTaps {
  let start: ConstantFloats
  /// The distance between the matrices.
  let distance: Int
  /// The distance between their rows.
  let stride: Int
  let isTurned: Bool
}
