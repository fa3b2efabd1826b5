/// Matrices of one type side by side in the GPU's memory, as a batched product reads or writes them.
struct CUDAMatrices {
  /// The first element of the first matrix.
  let address: UInt
  /// The type of the elements.
  let dtype: DType
  /// The elements from one stored row to the next.
  let rowStride: Int
  /// The elements from one matrix to the next; not looked at where there is one matrix.
  let batchStride: Int
  /// Whether the rows of the matrix are stored as columns.
  let isTransposed: Bool

  /// The matrices whose first one starts `offset` elements into a tensor, or into scratch memory.
  init(
    _ tensor: Tensor, _ dtype: DType? = nil, offset: Int = 0, rowStride: Int, batchStride: Int = 0,
    isTransposed: Bool = false
  ) {
    let dtype = dtype ?? tensor.dtype
    self.init(
      address: tensor.address + UInt(offset * dtype.byteCount), dtype: dtype, rowStride: rowStride,
      batchStride: batchStride, isTransposed: isTransposed)
  }

  private init(address: UInt, dtype: DType, rowStride: Int, batchStride: Int, isTransposed: Bool) {
    self.address = address
    self.dtype = dtype
    self.rowStride = rowStride
    self.batchStride = batchStride
    self.isTransposed = isTransposed
  }

  /// The same memory read the other way round.
  var transposed: CUDAMatrices {
    CUDAMatrices(
      address: address, dtype: dtype, rowStride: rowStride, batchStride: batchStride, isTransposed: !isTransposed)
  }
}

/// Everything that the choice of an algorithm depends on: C [m, n] = α A [m, k] · B [k, n] + β C, `batchCount` times.
struct MatrixProductPlan: Hashable {
  /// How one operand lies in memory.
  struct Placement: Hashable {
    let dtype: DType
    let rowStride: Int
    let batchStride: Int
    /// The largest power of two up to 16 that divides the address of every matrix.
    let alignment: Int

    init(_ matrices: CUDAMatrices, batchCount: Int) {
      dtype = matrices.dtype
      rowStride = matrices.rowStride
      batchStride = batchCount > 1 ? matrices.batchStride : 0
      let common = 16 | matrices.address | UInt(batchStride * dtype.byteCount)
      alignment = 1 << common.trailingZeroBitCount
    }
  }

  let product: MatrixProduct
  let batchCount: Int
  let a: Placement
  let b: Placement
  let out: Placement
  let hasBias: Bool

  init(
    _ product: MatrixProduct, batchCount: Int = 1, _ a: CUDAMatrices, _ b: CUDAMatrices, into out: CUDAMatrices,
    hasBias: Bool = false
  ) {
    self.product = product
    self.batchCount = batchCount
    self.a = Placement(a, batchCount: batchCount)
    self.b = Placement(b, batchCount: batchCount)
    self.out = Placement(out, batchCount: batchCount)
    self.hasBias = hasBias
  }
}
