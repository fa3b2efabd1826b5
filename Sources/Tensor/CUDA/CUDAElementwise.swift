extension CUDABackend {
  /// Sets every element.
  public func fill(_ value: Float, into out: Tensor) {
    let isWide = out.isVectorAligned
    launch(
      Kernel(.fill, isWide ? "fillWide" : "fillNarrow", KernelMacro("T", out.dtype)),
      grid: flatGrid(out.count, width: isWide ? out.vectorWidth : 1), threads: Self.flatThreads,
      .tensor(out), .int64(out.count), .float(value))
  }

  /// Converts to a floating-point type, or copies where the types agree.
  public func cast(_ x: Tensor, into out: Destination) {
    let target = out.tensor
    if x.dtype == target.dtype {
      let whole = BlockCopy(outer: 1, count: x.count, source: (0, x.count), target: (0, x.count))
      return copyBlocks(x, whole, into: out)
    }
    require(target.dtype.isFloatingPoint, "cast: \(name) does not convert \(x.dtype) to \(target.dtype)")
    let isWide = x.isVectorAligned && target.isVectorAligned
    launch(
      Kernel(
        .cast, isWide ? "castWide" : "castNarrow", KernelMacro("SOURCE", x.dtype), KernelMacro("TARGET", target.dtype)),
      grid: flatGrid(x.count, width: isWide ? min(x.vectorWidth, target.vectorWidth) : 1), threads: Self.flatThreads,
      .tensor(x), .tensor(target), .int64(x.count), .accumulate(out))
  }

  /// Applies a function to every element.
  public func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination) {
    map(operation.kernelExpression, x, scale: 1, shift: 0, into: out)
  }

  /// `scale` · x + `shift`.
  public func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination) {
    map(KernelSource.linearFunction, x, scale: scale, shift: shift, into: out)
  }

  private func map(_ expression: String, _ x: Tensor, scale: Float, shift: Float, into out: Destination) {
    require(x.dtype == out.tensor.dtype, "\(expression): \(x.dtype) does not go into \(out.tensor.dtype)")
    let isWide = x.isVectorAligned && out.tensor.isVectorAligned
    launch(
      Kernel(
        .map, isWide ? "mapWide" : "mapNarrow", KernelMacro("T", x.dtype), KernelMacro("OPERATION", expression)),
      grid: flatGrid(x.count, width: isWide ? x.vectorWidth : 1), threads: Self.flatThreads,
      .tensor(x), .tensor(out.tensor), .int64(x.count), .float(scale), .float(shift), .accumulate(out))
  }

  /// Applies a function to pairs of elements, repeating operands as `broadcast` says.
  public func binary(
    _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination
  ) {
    let target = out.tensor
    require(
      a.dtype == b.dtype && a.dtype == target.dtype,
      "\(operation.rawValue): \(a.dtype) and \(b.dtype) do not go into \(target.dtype)")
    let macros = [KernelMacro("T", a.dtype), KernelMacro("OPERATION", operation.kernelExpression)]
    let isAligned = a.isVectorAligned && b.isVectorAligned && target.isVectorAligned
    if broadcast.isFlat {
      launch(
        Kernel(.zip, isAligned ? "zipFlatWide" : "zipFlatNarrow", macros),
        grid: flatGrid(target.count, width: isAligned ? target.vectorWidth : 1), threads: Self.flatThreads,
        .tensor(a), .tensor(b), .tensor(target), .int64(target.count), .accumulate(out))
    } else {
      let isWide = isAligned && broadcast.hasRows(of: target.vectorWidth)
      let packs = packCount(target.count, width: isWide ? target.vectorWidth : 1, operation.rawValue)
      launch(
        Kernel(.zip, isWide ? "zipRowsWide" : "zipRowsNarrow", macros),
        grid: .covering(packs, perBlock: Self.flatThreads), threads: Self.flatThreads,
        .tensor(a), .tensor(b), .tensor(target), .int64x4(broadcast.extents), .int64x4(broadcast.firstStrides),
        .int64x4(broadcast.secondStrides), .uint32(UInt32(packs)), .accumulate(out))
    }
  }
}

extension Broadcast {
  /// Whether rows of the last axis consist of whole packs of `width` elements in both operands.
  fileprivate func hasRows(of width: Int) -> Bool {
    func isWhole(_ strides: SIMD4<Int>) -> Bool { (0..<3).allSatisfy { strides[$0].isMultiple(of: width) } }
    return extents[3].isMultiple(of: width) && isWhole(firstStrides) && isWhole(secondStrides)
  }
}

// MARK: - How elements are divided among threads

extension CUDABackend {
  /// The threads of a block where each takes some elements for itself.
  static var flatThreads: Int { 256 }

  /// Blocks for a kernel over flat tensors, whose threads take `KernelPrelude.packsPerThread` packs of `width`.
  func flatGrid(_ count: Int, width: Int) -> KernelGrid {
    .covering(count, perBlock: Self.flatThreads * KernelPrelude.packsPerThread * width)
  }

  /// The packs of `width` elements in `count`, for kernels that number them in 32 bits.
  func packCount(_ count: Int, width: Int, _ operation: String) -> Int {
    let packs = count / width
    require(packs <= Int(Int32.max), "\(operation): \(count) elements are more than a kernel can number")
    return packs
  }
}
