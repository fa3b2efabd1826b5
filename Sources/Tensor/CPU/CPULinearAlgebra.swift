extension CPUBackend {
  /// A matrix product, plus `bias` [n] on every row.
  public func matrixProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor?, into out: Destination) {
    let name: StaticString = "matrixProduct"
    matrixProduct(a.host(name), b.host(name), product, bias: bias?.host(name), into: out.host(name), out.write)
  }

  /// A matrix product of dense row-major matrices, shared out over the threads.
  func matrixProduct(
    _ a: Floats, _ b: Floats, _ product: MatrixProduct, bias: Floats? = nil, into out: Floats, _ write: Write
  ) {
    let (m, n, k) = (product.m, product.n, product.k)
    let grid = ProductGrid(m: m, n: n, k: k, threads: threadCount)
    threads.parallelFor(grid.rowParts * grid.columnParts) { part in
      let (rows, columns) = grid.part(part)
      let corner = out + rows.lowerBound * n + columns.lowerBound
      if let bias { addBias(bias + columns.lowerBound, rows.count, columns.count, stride: n, into: corner, write) }
      let partA = StridedMatrix(
        a + rows.lowerBound * (product.transposeA ? 1 : k), stride: product.transposeA ? m : k,
        transposed: product.transposeA)
      let partB = StridedMatrix(
        b + columns.lowerBound * (product.transposeB ? k : 1), stride: product.transposeB ? k : n,
        transposed: product.transposeB)
      OpenBLAS.product(
        m: rows.count, n: columns.count, k: k, partA, partB, beta: write == .accumulate || bias != nil ? 1 : 0,
        into: StridedMatrix(corner, stride: n))
    }
  }

  /// Puts the bias where the product is going to be added.
  private func addBias(
    _ bias: Floats, _ rows: Int, _ columns: Int, stride: Int, into out: Floats, _ write: Write
  ) {
    for row in 0..<rows { store(0..<columns, into: out + row * stride, write) { bias[$0] } }
  }
}

/// How the result of a matrix product is cut into one block for each thread.
///
/// Each block reads its own rows of A and columns of B, so among the ways to cut, the one with the least to read wins:
/// tall results are cut into rows, wide ones into columns.
private struct ProductGrid {
  let rowParts: Int
  let columnParts: Int
  private let m: Int
  private let n: Int

  init(m: Int, n: Int, k: Int, threads: Int) {
    (self.m, self.n) = (m, n)
    // Below some hundred thousand multiplications, sharing costs more than it brings.
    let parts = max(min(threads, m * n * k / (1 << 18)), 1)
    var best = (rows: 1, reads: Int.max)
    for rows in 1...parts where parts % rows == 0 {
      let reads = m * (parts / rows) + n * rows
      if reads < best.reads { best = (rows, reads) }
    }
    (rowParts, columnParts) = (best.rows, parts / best.rows)
  }

  /// The rows and columns of one block; the cuts lie at multiples of 16, which suits the library's inner loops.
  func part(_ index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    (cut(m, index / columnParts, rowParts), cut(n, index % columnParts, columnParts))
  }

  private func cut(_ extent: Int, _ index: Int, _ parts: Int) -> Range<Int> {
    let units = (extent + 15) / 16
    return min(units * index / parts * 16, extent)..<min(units * (index + 1) / parts * 16, extent)
  }
}
