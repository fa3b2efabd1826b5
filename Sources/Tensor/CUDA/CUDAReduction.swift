extension CUDABackend {
  /// Sums the middle axis of [outer, count, inner] and multiplies by `scale` before rounding to the output's type.
  public func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination) {
    if inner == 1 {
      sumRows(.element, x, x, rows: outer, columns: count, scale: Double(scale), into: out)
    } else {
      sumColumns(x, outer: outer, count: count, inner: inner, scale: scale, into: out)
    }
  }

  /// The mean of (a - b)² over each of `out.count` equal rows, in Float32.
  public func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination) {
    require(a.dtype == b.dtype, "meanSquaredError: \(a.dtype) does not go with \(b.dtype)")
    let rows = out.tensor.count
    let width = a.count / max(rows, 1)
    sumRows(.squaredDifference, a, b, rows: rows, columns: width, scale: 1 / Double(width), into: out)
  }

  /// The derivative of `meanSquaredError` by `a`: 2 (a - b) · gradient[row] / rowCount.
  public func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination) {
    let target = da.tensor
    require(
      a.dtype == b.dtype && a.dtype == target.dtype && gradient.dtype == .float32,
      "meanSquaredErrorBackward: \(a.dtype), \(b.dtype) and \(gradient.dtype) do not go into \(target.dtype)")
    let rows = gradient.count
    let columns = a.count / max(rows, 1)
    let isWide =
      a.isVectorAligned && b.isVectorAligned && target.isVectorAligned
      && (rows == 1 || columns.isMultiple(of: a.vectorWidth))
    let perBlock = Self.flatThreads * (isWide ? a.vectorWidth : 1)
    launch(
      Kernel(
        .squaredErrorBackward, isWide ? "squaredErrorBackwardWide" : "squaredErrorBackwardNarrow",
        KernelMacro("T", a.dtype)),
      grid: KernelGrid((columns + perBlock - 1) / perBlock, min(rows, 65_535)), threads: Self.flatThreads,
      .tensor(a), .tensor(b), .tensor(gradient), .tensor(target), .int64(rows), .int64(columns), .accumulate(da))
  }

  /// Σ x², one Float32.
  public func sumOfSquares(_ x: Tensor, into out: Destination) {
    sumRows(.square, x, x, rows: 1, columns: x.count, scale: 1, into: out)
  }
}

// MARK: - Sums along rows

extension CUDABackend {
  /// Sums a term of the elements of two tensors along the rows of [rows, columns].
  private func sumRows(
    _ term: RowTerm, _ a: Tensor, _ b: Tensor, rows: Int, columns: Int, scale: Double, into out: Destination
  ) {
    let parts = Self.rowParts(rows: rows, columns: columns)
    let isWide = a.isVectorAligned && b.isVectorAligned && (rows == 1 || columns.isMultiple(of: a.vectorWidth))
    func kernel(_ function: String, _ sum: DType) -> Kernel {
      Kernel(
        .rowSums, function + (isWide ? "Wide" : "Narrow"), KernelMacro("T", a.dtype), KernelMacro("OUT", sum),
        KernelMacro("TERM", term.rawValue))
    }
    guard parts.count > 1 else {
      return launch(
        kernel("sumRows", out.tensor.dtype), grid: KernelGrid(rows), threads: Self.flatThreads,
        .tensor(a), .tensor(b), .tensor(out.tensor), .int64(columns), .double(scale), .accumulate(out))
    }
    let partialSums = scratch(byteCount: rows * parts.count * 4).viewed(as: [rows, parts.count])
    launch(
      kernel("sumParts", out.tensor.dtype), grid: KernelGrid(rows * parts.count), threads: Self.flatThreads,
      .tensor(a), .tensor(b), .tensor(partialSums), .int64(columns), .int32(parts.count), .int64(parts.columns))
    sumRows(
      .element, partialSums, partialSums, rows: rows, columns: parts.count, scale: scale, into: out)
  }

  /// How many parts rows are summed in, and the columns of each. The parts depend on the extents alone.
  private static func rowParts(rows: Int, columns: Int) -> (count: Int, columns: Int) {
    // What one block sums about as fast as a second kernel starts.
    let shortRow = 16_384
    guard columns > shortRow else { return (1, columns) }
    // Enough blocks for the largest cards and few enough sums for one block.
    let most = max(1024 / max(rows, 1), 1)
    let wanted = min((columns + shortRow / 2 - 1) / (shortRow / 2), most)
    // Parts begin where 16 bytes do.
    let perPart = ((columns + wanted - 1) / wanted + 7) / 8 * 8
    return ((columns + perPart - 1) / perPart, perPart)
  }
}

// MARK: - Sums over rows

extension CUDABackend {
  /// Sums the rows of `outer` matrices [count, inner].
  private func sumColumns(
    _ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination
  ) {
    let isWide = x.isVectorAligned && inner.isMultiple(of: x.vectorWidth)
    let width = isWide ? x.vectorWidth : 1
    func kernel(_ function: String) -> Kernel {
      Kernel(
        .columnSums, function + (isWide ? "Wide" : "Narrow"), KernelMacro("T", x.dtype),
        KernelMacro("OUT", out.tensor.dtype))
    }
    // Few rows are summed at once, by many narrow blocks with many rows of threads.
    let narrow = ColumnTiles(inner, width: width, packs: isWide ? 8 : 32)
    let wide = ColumnTiles(inner, width: width, packs: 48)
    let rowsAtOnce = 256
    let rowsPerRange = 32
    // Enough blocks for the largest cards.
    let wanted = max(512 / max(wide.count * outer, 1), 1)
    let ranges = min((count + rowsPerRange - 1) / rowsPerRange, wanted, rowsAtOnce)
    guard count > rowsAtOnce && ranges > 1 else {
      let tiles = count > rowsAtOnce ? wide : narrow
      return launch(
        kernel("sumColumns"), grid: KernelGrid(outer * tiles.count), threads: Self.flatThreads,
        .tensor(x), .tensor(out.tensor), .int64(count), .int64(inner), .int32(tiles.packs), .int32(tiles.count),
        .float(scale), .accumulate(out))
    }
    let rows = (count + ranges - 1) / ranges
    let parts = (count + rows - 1) / rows
    let partialSums = scratch(byteCount: outer * parts * inner * 4).viewed(as: [outer, parts, inner])
    launch(
      kernel("sumRanges"), grid: KernelGrid(outer * parts * wide.count), threads: Self.flatThreads,
      .tensor(x), .tensor(partialSums), .int64(count), .int64(inner), .int32(wide.packs), .int32(wide.count),
      .int32(parts), .int64(rows))
    sumColumns(partialSums, outer: outer, count: parts, inner: inner, scale: scale, into: out)
  }
}

/// Tiles of equal width that cover the columns of a matrix.
private struct ColumnTiles {
  /// The number of tiles.
  let count: Int
  /// The packs of neighbouring elements in a tile.
  let packs: Int

  /// Tiles of at most `packs` packs of `width` of the columns.
  init(_ columns: Int, width: Int, packs limit: Int) {
    let all = columns / width
    count = (all + limit - 1) / limit
    packs = (all + max(count, 1) - 1) / max(count, 1)
  }
}

extension Tensor {
  /// Working memory as Float32.
  fileprivate func viewed(as shape: Shape) -> Tensor {
    Tensor(storage: storage, byteOffset: byteOffset, shape: shape, dtype: .float32)
  }
}
