extension CUDABackend {
  /// A matrix product, plus `bias` [n] on every row; sums are formed in Float32.
  ///
  /// The operands share a type; the result has it too, or is Float32, and the bias has the result's.
  public func matrixProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor?, into out: Destination) {
    require(
      a.dtype == b.dtype && [a.dtype, .float32].contains(out.tensor.dtype)
        && (bias?.dtype ?? out.tensor.dtype) == out.tensor.dtype,
      "matrixProduct: \(a.dtype) \(a.shape) times \(b.dtype) \(b.shape) with bias \(bias?.dtype.description ?? "none") "
        + "does not go into \(out.tensor.dtype)")
    requireAlignment("matrixProduct", [a, b, bias, out.tensor])
    guard product.m > 0 && product.n > 0 else { return }
    if product.k == 0 { return writeEmptySums(product, bias, into: out) }
    if let bias, out.write == .accumulate, out.tensor.dtype != .float32 {
      return addProduct(a, b, product, bias: bias, into: out)
    }
    let (a, b) = operands(a, b, product)
    multiply(
      m: product.m, n: product.n, k: product.k, a, b, beta: out.write == .accumulate ? 1 : 0, bias: bias,
      into: CUDAMatrices(out.tensor, rowStride: product.n))
  }

  /// C [m, n] = `alpha` A [m, k] · B [k, n] + `beta` C, plus `bias` [n] on every row, for `batchCount` matrices.
  func multiply(
    m: Int, n: Int, k: Int, batchCount: Int = 1, _ a: CUDAMatrices, _ b: CUDAMatrices, alpha: Float = 1,
    beta: Float = 0, bias: Tensor? = nil, into out: CUDAMatrices
  ) {
    activate()
    let plan = MatrixProductPlan(
      MatrixProduct(m: m, n: n, k: k, transposeA: a.isTransposed, transposeB: b.isTransposed), batchCount: batchCount,
      a, b, into: out, hasBias: bias != nil)
    let product = products.product(plan)
    let workspace = product.workspaceByteCount > 0 ? scratch(byteCount: product.workspaceByteCount) : nil
    products.run(
      product, a, b, alpha: alpha, beta: beta, bias: bias?.address, workspace: workspace?.address ?? 0, into: out)
  }

  /// Dense matrices as a product reads them.
  func operands(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct) -> (a: CUDAMatrices, b: CUDAMatrices) {
    (
      CUDAMatrices(a, rowStride: product.transposeA ? product.m : product.k, isTransposed: product.transposeA),
      CUDAMatrices(b, rowStride: product.transposeB ? product.k : product.n, isTransposed: product.transposeB)
    )
  }

  /// A product, a bias and what the output holds. The library would round to a half type after each addition.
  private func addProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor, into out: Destination) {
    let sum = out.tensor.emptyLike(dtype: .float32)
    writeEmptySums(product, bias.cast(to: .float32), into: .overwrite(sum))
    matrixProduct(a, b, product, bias: nil, into: .accumulate(sum))
    cast(sum, into: out)
  }

  /// Sums without terms: the bias alone, or zeros.
  private func writeEmptySums(_ product: MatrixProduct, _ bias: Tensor?, into out: Destination) {
    if let bias {
      copyBlocks(
        bias, BlockCopy(outer: product.m, count: product.n, source: (0, 0), target: (0, product.n)), into: out)
    } else if out.write == .overwrite {
      fill(0, into: out.tensor)
    }
  }

  /// Stops the program where an operand does not start at a multiple of 16 bytes.
  func requireAlignment(_ operation: String, _ operands: [Tensor?]) {
    for case let operand? in operands {
      require(
        operand.isVectorAligned,
        "\(operation): \(operand.dtype) of shape \(operand.shape) starts at byte \(operand.byteOffset) of its storage; "
          + "CUDA needs a multiple of 16")
    }
  }
}
