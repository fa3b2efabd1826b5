extension CUDABackend {
  /// Adds up partial sums into the derivatives of a normalisation by gamma and beta, where they are wanted.
  ///
  /// - Parameters:
  ///   - partial: Float32 pairs [rows, channels] of Σ d and Σ d x̂, where d is the gradient by x̂ γ + β.
  func normalizationGradients(
    _ partial: Tensor, rows: Int, channels: Int, dgamma: Destination?, dbeta: Destination?
  ) {
    guard let dtype = (dgamma ?? dbeta)?.tensor.dtype else { return }
    require(
      dtype == (dbeta ?? dgamma)?.tensor.dtype,
      "normalization gradients: those by gamma and beta are of different types")
    let columnsPerBlock = 32
    launch(
      Kernel(.normalizationGradients, "normalizationGradients", KernelMacro("G", dtype)),
      grid: .covering(channels, perBlock: columnsPerBlock), threads: 32 * columnsPerBlock,
      .tensor(partial), .int32(rows), .int32(channels), .optional(dgamma?.tensor), .accumulate(dgamma),
      .optional(dbeta?.tensor), .accumulate(dbeta))
  }

  /// Working memory for `count` pairs of Float32.
  func scratchPairs(_ count: Int) -> Tensor { scratch(byteCount: count * 2 * DType.float32.byteCount) }
}

extension KernelArgument {
  /// `int`: whether a result is added to what its destination holds; zero where it is not wanted.
  static func accumulate(_ out: Destination?) -> KernelArgument { .int32(out?.write == .accumulate ? 1 : 0) }
}
