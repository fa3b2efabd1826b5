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
    if product.isBetterTransposed {
      let transposed = PanelProduct(left: right.transposed, right: left.transposed, depth: k, kernels: kernels)
      forEachPart(of: n, m, k) { rows, columns in
        multiply(transposed, rows, columns, transposedInto: out, stride: n, bias: bias, write)
      }
    } else {
      let product = PanelProduct(left: left, right: right, depth: k, kernels: kernels)
      forEachPart(of: m, n, k) { rows, columns in
        withWorkspace(product.workspaceCount(rows, columns)) { workspace in
          product.multiply(
            rows, columns, into: out + rows.lowerBound * n + columns.lowerBound, stride: n,
            bias: bias.map { $0 + columns.lowerBound }, write, workspace)
        }
      }
    }
  }

  /// Computes a part of a product and writes it with rows and columns exchanged.
  private func multiply(
    _ product: PanelProduct, _ rows: Range<Int>, _ columns: Range<Int>, transposedInto out: Floats, stride: Int,
    bias: ConstantFloats?, _ write: Write
  ) {
    let width = kernels.wholeTiles(columns.count)
    withWorkspace(rows.count * width + product.workspaceCount(rows, columns)) { result in
      product.multiply(rows, columns, into: result, stride: width, bias: nil, .overwrite, result + rows.count * width)
      kernels.transpose(
        result, stride: width, rows: rows.count, columns: columns.count,
        into: out + columns.lowerBound * stride + rows.lowerBound, stride: stride,
        bias: bias.map { $0 + rows.lowerBound }, write)
    }
  }

  private func forEachPart(
    of m: Int, _ n: Int, _ k: Int, _ body: (_ rows: Range<Int>, _ columns: Range<Int>) -> Void
  ) {
    let grid = ProductGrid(
      m: m, n: n, k: k, tileRows: kernels.tileRows, tileColumns: kernels.tileColumns, threads: threadCount)
    threads.parallelFor(grid.count) { index in
      let (rows, columns) = grid.part(index)
      body(rows, columns)
    }
  }
}

extension MatrixProduct {
  /// Whether (B Aᵀ)ᵀ is computed for A Bᵀ. With few rows it takes longer to put B in order than to transpose the result.
  fileprivate var isBetterTransposed: Bool { transposeB && !transposeA && m <= 160 && n > m }
}
