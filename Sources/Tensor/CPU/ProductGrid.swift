/// How the result of a matrix product is cut into parts for the threads.
///
/// A part reads its own rows of A and puts its own columns of B in order, so each cut through the rows costs another
/// packing. Among the cuts into one to eight parts for each thread, the one that promises the shortest time wins. How
/// the result is cut changes no number in it.
struct ProductGrid {
  let rowParts: Int
  let columnParts: Int
  private let rows: Extent
  private let columns: Extent

  /// Rows or columns, which are cut between tiles.
  private struct Extent {
    let count: Int
    let tile: Int

    var tiles: Int { (count + tile - 1) / tile }

    /// The length of the longest part.
    func longest(of parts: Int) -> Int { (tiles + parts - 1) / parts * tile }

    func part(_ index: Int, of parts: Int) -> Range<Int> {
      min(tiles * index / parts * tile, count)..<min(tiles * (index + 1) / parts * tile, count)
    }
  }

  /// The most columns of a part: with the deepest block they fill a part of a core's second cache.
  private static let mostColumns = 320
  /// Putting an element of B in order takes the time of so many multiplications with it.
  private static let packingCost = 16
  /// The multiplications that a thread does in the time that it takes to hand out a part, and that make sharing pay.
  private static let leastWork = 1 << 18

  /// A grid for a product of the given extents, computed in tiles of `tileRows` rows and `tileColumns` columns.
  init(m: Int, n: Int, k: Int, tileRows: Int, tileColumns: Int, threads: Int) {
    rows = Extent(count: m, tile: tileRows)
    columns = Extent(count: n, tile: tileColumns)
    let fewestColumnParts = max((n + ProductGrid.mostColumns - 1) / ProductGrid.mostColumns, 1)
    let threads = min(threads, m * n * k / ProductGrid.leastWork)
    if threads < 2 {
      (rowParts, columnParts) = (1, fewestColumnParts)
      return
    }
    var best = (rowParts: 1, columnParts: fewestColumnParts, time: Double.infinity)
    for columnParts in fewestColumnParts...max(min(columns.tiles, fewestColumnParts + 2 * threads), fewestColumnParts) {
      for perThread in [1, 2, 4, 8] {
        let rowParts = min((perThread * threads + columnParts - 1) / columnParts, rows.tiles)
        let (partRows, partColumns) = (rows.longest(of: rowParts), columns.longest(of: columnParts))
        let work = (partRows + ProductGrid.packingCost) * partColumns * k + ProductGrid.leastWork / 16
        let turns = (rowParts * columnParts + threads - 1) / threads
        // Threads end at different times: some wait for what the slowest is behind by, but for no more than its last part.
        let wait = min(work / 8, turns * work / 32)
        let time = Double(turns * work + wait)
        if time < best.time { best = (rowParts, columnParts, time) }
      }
    }
    (rowParts, columnParts) = (best.rowParts, best.columnParts)
  }

  /// The number of parts.
  var count: Int { rowParts * columnParts }

  /// The rows and columns of one part.
  func part(_ index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    (rows.part(index / columnParts, of: rowParts), columns.part(index % columnParts, of: columnParts))
  }
}
