extension CUDABackend {
  /// Copies blocks at strides; elements of the output outside the blocks are left alone. Types of any kind are moved.
  public func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination) {
    let target = out.tensor
    require(x.dtype == target.dtype, "copyBlocks: \(x.dtype) does not go into \(target.dtype)")
    let distances =
      [copy.source.offset, copy.target.offset, copy.count]
      + (copy.outer > 1 ? [copy.source.stride, copy.target.stride] : [])
    let isWide =
      x.isVectorAligned && target.isVectorAligned && distances.allSatisfy { $0.isMultiple(of: x.vectorWidth) }
    let width = isWide ? x.vectorWidth : 1
    let packs = packCount(copy.outer * copy.count, width: width, "copyBlocks")
    launch(
      Kernel(.movement, isWide ? "copyBlocksWide" : "copyBlocksNarrow", KernelMacro("T", x.dtype)),
      grid: .covering(packs, perBlock: Self.flatThreads), threads: Self.flatThreads,
      .tensor(x), .tensor(target), .int64(copy.source.offset), .int64(copy.target.offset), .uint32(UInt32(packs)),
      .uint32(UInt32(copy.count / width)), .int64(copy.source.stride), .int64(copy.target.stride), .accumulate(out))
  }

  /// Reorders axes: axis i of the output is axis `permutation[i]` of the input. Types of any kind are moved.
  public func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination) {
    require(x.dtype == out.tensor.dtype, "transpose: \(x.dtype) does not go into \(out.tensor.dtype)")
    let axes = TransposedAxes(x.shape, permutation)
    require(axes.outer.count <= 2, "transpose: \(permutation) moves too many axes of \(x.shape)")
    if axes.widthStride <= 1 {
      permuteRows(x, axes, into: out)
    } else {
      transposeTiles(x, axes, into: out)
    }
  }

  /// Reorders all axes but the last.
  private func permuteRows(_ x: Tensor, _ axes: TransposedAxes, into out: Destination) {
    let (extents, strides) = axes.four
    let isWide =
      x.isVectorAligned && out.tensor.isVectorAligned && extents[3].isMultiple(of: x.vectorWidth)
      && (0..<3).allSatisfy { strides[$0].isMultiple(of: x.vectorWidth) }
    let packs = packCount(x.count, width: isWide ? x.vectorWidth : 1, "transpose")
    launch(
      Kernel(.movement, isWide ? "permuteRowsWide" : "permuteRowsNarrow", KernelMacro("T", x.dtype)),
      grid: .covering(packs, perBlock: Self.flatThreads), threads: Self.flatThreads,
      .tensor(x), .tensor(out.tensor), .int64x4(extents), .int64x4(strides), .uint32(UInt32(packs)), .accumulate(out))
  }

  /// Reorders axes where the last one of the input and the last one of the output differ.
  private func transposeTiles(_ x: Tensor, _ axes: TransposedAxes, into out: Destination) {
    var (extents, sourceStrides) = axes.four
    var targetStrides = SIMD4(extents[1] * extents[2] * extents[3], extents[2] * extents[3], extents[3], 1)
    // The input's last axis is the one with stride 1; it goes to place 2.
    let last = (0..<3).last { extents[$0] > 1 && sourceStrides[$0] == 1 } ?? 2
    for axis in last..<2 {
      extents.swap(axis, axis + 1)
      sourceStrides.swap(axis, axis + 1)
      targetStrides.swap(axis, axis + 1)
    }
    let tile = 32
    let tiles = (extents[2] + tile - 1) / tile * ((extents[3] + tile - 1) / tile)
    launch(
      Kernel(.movement, "transposeTiles", KernelMacro("T", x.dtype)),
      grid: KernelGrid(extents[0] * extents[1] * tiles), threads: 256,
      .tensor(x), .tensor(out.tensor), .int64x4(extents), .int64x4(sourceStrides), .int64x4(targetStrides),
      .accumulate(out))
  }

  /// Enlarges [batch, h, w, channels] to the output's height and width; row y reads input row ⌊y·h/H⌋. Types of any
  /// kind are moved.
  public func upsampleNearest(_ x: Tensor, into out: Tensor) {
    require(x.dtype == out.dtype, "upsampleNearest: \(x.dtype) does not go into \(out.dtype)")
    let isWide = x.isVectorAligned && out.isVectorAligned && x.shape[3].isMultiple(of: x.vectorWidth)
    let width = isWide ? x.vectorWidth : 1
    let packs = packCount(out.count, width: width, "upsampleNearest")
    launch(
      Kernel(.upsampling, isWide ? "upsampleNearestWide" : "upsampleNearestNarrow", KernelMacro("T", x.dtype)),
      grid: .covering(packs, perBlock: Self.flatThreads), threads: Self.flatThreads,
      .tensor(x), .tensor(out), .uint32(UInt32(packs)), .uint32(UInt32(x.shape[3] / width)), .int32(x.shape[1]),
      .int32(x.shape[2]), .int32(out.shape[1]), .int32(out.shape[2]))
  }

  /// Sums the gradient over all pixels that read the same input pixel.
  public func upsampleNearestBackward(_ gradient: Tensor, into dx: Destination) {
    let target = dx.tensor
    require(
      gradient.dtype == target.dtype, "upsampleNearestBackward: \(gradient.dtype) does not go into \(target.dtype)")
    let isWide =
      gradient.isVectorAligned && target.isVectorAligned && target.shape[3].isMultiple(of: target.vectorWidth)
    let width = isWide ? target.vectorWidth : 1
    let packs = packCount(target.count, width: width, "upsampleNearestBackward")
    launch(
      Kernel(
        .upsamplingBackward, isWide ? "upsampleNearestBackwardWide" : "upsampleNearestBackwardNarrow",
        KernelMacro("T", target.dtype)),
      grid: .covering(packs, perBlock: Self.flatThreads), threads: Self.flatThreads,
      .tensor(gradient), .tensor(target), .uint32(UInt32(packs)), .uint32(UInt32(target.shape[3] / width)),
      .int32(target.shape[1]), .int32(target.shape[2]), .int32(gradient.shape[1]), .int32(gradient.shape[2]),
      .accumulate(dx))
  }
}

extension TransposedAxes {
  /// The extents of the output and the strides of the input along them, padded to four axes.
  fileprivate var four: (extents: SIMD4<Int>, strides: SIMD4<Int>) {
    let padding = Array(repeating: (extent: 1, stride: 0), count: 2 - outer.count) + outer
    return (
      SIMD4(padding[0].extent, padding[1].extent, height, width),
      SIMD4(padding[0].stride, padding[1].stride, heightStride, widthStride)
    )
  }
}

extension SIMD4<Int> {
  fileprivate mutating func swap(_ a: Int, _ b: Int) { (self[a], self[b]) = (self[b], self[a]) }
}
