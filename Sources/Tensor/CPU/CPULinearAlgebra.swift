import CPUKernels

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
    let left = StridedMatrix(a, stride: product.transposeA ? m : k, transposed: product.transposeA)
    let right = StridedMatrix(b, stride: product.transposeB ? k : n, transposed: product.transposeB)
    let bias = bias.map { ConstantFloats($0) }
    if usesOpenBLAS { return multiplyByOpenBLAS(left, right, product, bias: bias, into: out, write) }
    if product.isBoundByMemory { return multiplyInPlace(left, right, product, bias: bias, into: out, write) }
    let panelProduct = PanelProduct(left: left, right: right, depth: k, kernels: kernels)
    let grid = ProductGrid(
      m: m, n: n, k: k, tileRows: kernels.tileRows, tileColumns: kernels.tileColumns, threads: threadCount)
    threads.parallelFor(grid.count) { index in
      let (rows, columns) = grid.part(index)
      withWorkspace(panelProduct.workspaceCount(rows, columns)) { workspace in
        panelProduct.multiply(
          rows, columns, into: out + rows.lowerBound * n + columns.lowerBound, stride: n,
          bias: bias.map { $0 + columns.lowerBound }, write, workspace)
      }
    }
  }

  /// A product whose operands are read where they lie, shared out by rows or, where there are few, by columns.
  private func multiplyInPlace(
    _ a: StridedMatrix, _ b: StridedMatrix, _ product: MatrixProduct, bias: ConstantFloats?, into out: Floats,
    _ write: Write
  ) {
    let (m, n, k) = (product.m, product.n, product.k)
    let parts = max(min(threadCount, n * max(m, k) / CPUBackend.leastElements), 1)
    threads.parallelFor(parts) { part in
      let rows = m > 4 ? (m * part / parts)..<(m * (part + 1) / parts) : 0..<m
      let columns = m > 4 ? 0..<n : (n * part / parts)..<(n * (part + 1) / parts)
      let (a, b) = (a.address(row: rows.lowerBound, column: 0), b.address(row: 0, column: columns.lowerBound))
      let out = out + rows.lowerBound * n + columns.lowerBound
      let bias = bias.map { $0 + columns.lowerBound }
      if product.transposeB {
        kernels.multiplyRows(
          a, rows: rows.count, b, columns: columns.count, depth: k, into: out, stride: n, bias: bias, write)
      } else {
        kernels.combineRows(
          a, rows: rows.count, rowStride: product.transposeA ? 1 : k, depth: k,
          depthStride: product.transposeA ? m : 1, b, stride: n, columns: columns.count, into: out, stride: n,
          bias: bias, write)
      }
    }
  }

  /// The fewest elements of B or of the result that make sharing pay.
  private static let leastElements = 1 << 15
}

// MARK: - OpenBLAS

extension CPUBackend {
  /// Whether OpenBLAS multiplies matrices, and not this project's kernels.
  ///
  /// With AVX2 and AVX-512 the kernels are faster on nearly all shapes of Stable Diffusion. The baseline's reach the peak
  /// of SSE2 too, but OpenBLAS looks at the processor for itself, and most have more to offer.
  private var usesOpenBLAS: Bool { instructionSet == .baseline }

  /// The parts of a product, along its longer side. Their number is not that of the threads, since the library chooses
  /// the order of a sum by the extents it is given; it is small, since each part puts the other operand in order anew.
  private static func openBLASParts(_ product: MatrixProduct) -> Int {
    let work = product.m * product.n * product.k
    return max(min(8, max(product.m, product.n) / 64, work >> 18), 1)
  }

  private func multiplyByOpenBLAS(
    _ a: StridedMatrix, _ b: StridedMatrix, _ product: MatrixProduct, bias: ConstantFloats?, into out: Floats,
    _ write: Write
  ) {
    let (m, n) = (product.m, product.n)
    let parts = CPUBackend.openBLASParts(product)
    threads.parallelFor(parts) { part in
      let rows = m > n ? m * part / parts..<m * (part + 1) / parts : 0..<m
      let columns = m > n ? 0..<n : n * part / parts..<n * (part + 1) / parts
      let corner = out + rows.lowerBound * n + columns.lowerBound
      if let bias {
        // Sums of no rows, which are the bias alone.
        kernels.combineRows(
          a.start, rows: rows.count, rowStride: 0, depth: 0, depthStride: 0, b.start, stride: 0,
          columns: columns.count, into: corner, stride: n, bias: bias + columns.lowerBound, write)
      }
      OpenBLAS.product(
        m: rows.count, n: columns.count, k: product.k, a.part(row: rows.lowerBound, column: 0),
        b.part(row: 0, column: columns.lowerBound), beta: write == .accumulate || bias != nil ? 1 : 0,
        into: StridedMatrix(corner, stride: n))
    }
  }
}

extension MatrixProduct {
  /// Whether there is so little to do with each element of B or of the result that its memory takes most of the time.
  fileprivate var isBoundByMemory: Bool { transposeB ? m <= 4 && !transposeA : m <= 4 || k <= 4 }
}
