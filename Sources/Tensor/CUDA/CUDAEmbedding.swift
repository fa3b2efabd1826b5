extension CUDABackend {
  /// Row `indices[i]` of `table` becomes row i of the output. Types of any kind are moved.
  ///
  /// An index outside the table stops the program at the next call that waits for the card.
  public func gather(_ table: Tensor, _ indices: Tensor, into out: Tensor) {
    require(table.dtype == out.dtype, "gather: \(table.dtype) does not go into \(out.dtype)")
    let isWide = table.isVectorAligned && out.isVectorAligned && table.shape[1].isMultiple(of: table.vectorWidth)
    let width = isWide ? table.vectorWidth : 1
    let packs = packCount(out.count, width: width, "gather")
    launch(
      Kernel(.gather, isWide ? "gatherWide" : "gatherNarrow", KernelMacro("T", table.dtype)),
      grid: .covering(packs, perBlock: Self.flatThreads), threads: Self.flatThreads,
      .tensor(table), .tensor(indices), .tensor(out), .uint32(UInt32(packs)), .uint32(UInt32(table.shape[1] / width)),
      .int32(table.shape[0]))
  }

  /// Adds row i of the gradient to row `indices[i]`, in the order of i; other rows become or stay as `dtable` says.
  ///
  /// An index outside the table stops the program at the next call that waits for the card.
  public func gatherBackward(_ indices: Tensor, _ gradient: Tensor, into dtable: Destination) {
    let table = dtable.tensor
    if dtable.write == .overwrite { fill(0, into: table) }
    let (rows, columns) = (table.shape[0], table.shape[1])
    // Blocks without columns would still look at indices.
    guard columns > 0 else { return }
    let width = 16 / max(table.dtype.byteCount, gradient.dtype.byteCount)
    let isWide = gradient.isVectorAligned && table.isVectorAligned && columns.isMultiple(of: width)
    let threads = 128
    let perBlock = threads * (isWide ? width : 1)
    launch(
      Kernel(
        .gatherBackward, isWide ? "gatherBackwardWide" : "gatherBackwardNarrow", KernelMacro("T", gradient.dtype),
        KernelMacro("OUT", table.dtype)),
      grid: KernelGrid(indices.count, (columns + perBlock - 1) / perBlock), threads: threads,
      .tensor(indices), .tensor(gradient), .tensor(table), .int32(indices.count), .int32(rows), .int32(columns),
      .accumulate(dtable))
  }
}
