extension CPUBackend {
  /// Sums the middle axis of [outer, count, inner] and multiplies by `scale`.
  public func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination) {
    let (source, target) = (x.host("sum"), out.host("sum"))
    if inner == 1 {
      sumEachRow(outer, of: count, scale: Double(scale), into: target, out.write) { first, count in
        kernels.sum(source + first, count: count)
      }
      return
    }
    for block in 0..<outer {
      sumRows(
        source + block * count * inner, count, of: inner, scale: scale, into: target + block * inner, out.write)
    }
  }

  /// The mean of (a - b)² over each of `out.count` equal rows.
  public func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination) {
    let rows = out.tensor.count
    let width = a.count / max(rows, 1)
    let (a, b, target) = (a.host("meanSquaredError"), b.host("meanSquaredError"), out.host("meanSquaredError"))
    sumEachRow(rows, of: width, scale: 1 / Double(width), into: target, out.write) { first, count in
      kernels.squaredDistance(a + first, b + first, count: count)
    }
  }

  /// The derivative of `meanSquaredError` by `a`: 2 (a - b) · gradient[row] / rowCount.
  public func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination) {
    let rows = gradient.count
    let width = a.count / max(rows, 1)
    let name: StaticString = "meanSquaredErrorBackward"
    let (a, b, gradient, target) = (a.host(name), b.host(name), gradient.host(name), da.host(name))
    for row in 0..<rows {
      let factor = 2 * gradient[row] / Float(width)
      forEachShare(width) { range in
        let first = row * width + range.lowerBound
        kernels.scaledDifference(
          a + first, b + first, factor: factor, count: range.count, into: target + first, da.write)
      }
    }
  }

  /// Σ x², one Float32.
  public func sumOfSquares(_ x: Tensor, into out: Destination) {
    sumEachRow(1, of: x.count, scale: 1, into: out.host("sumOfSquares"), out.write) { first, count in
      guard x.dtype != .float32 else {
        return kernels.sumOfSquares(Floats(address: x.address) + first, count: count)
      }
      var total = 0.0
      withBlocks(of: first..<first + count) { range, values in
        read(x, from: range.lowerBound, range.count, into: values)
        total += kernels.sumOfSquares(values, count: range.count)
      }
      return total
    }
  }

  /// Writes `scale` times the sum of every row, given the sum of any part of a row: its first element, counted through
  /// all rows, and its length.
  ///
  /// Long rows are cut into parts whose sums are added in order, so the result is the same for any number of threads.
  @inline(__always)
  private func sumEachRow(
    _ rows: Int, of columns: Int, scale: Double, into out: Floats, _ write: Write,
    _ partialSum: (_ first: Int, _ count: Int) -> Double
  ) {
    let size = 32_768
    func store(_ sum: Double, _ row: Int) {
      out[row] = (write == .accumulate ? out[row] : 0) + Float(sum * scale)
    }
    guard columns > size else {
      forEachShare(rows, columns: columns) { for row in $0 { store(partialSum(row * columns, columns), row) } }
      return
    }
    let parts = (columns + size - 1) / size
    withWorkspace(rows * parts * 2) { workspace in
      let sums = UnsafeMutableRawPointer(workspace).assumingMemoryBound(to: Double.self)
      threads.parallelFor(rows * parts) { index in
        let (row, part) = index.quotientAndRemainder(dividingBy: parts)
        sums[index] = partialSum(row * columns + part * size, min(size, columns - part * size))
      }
      for row in 0..<rows {
        var total = 0.0
        for part in 0..<parts { total += sums[row * parts + part] }
        store(total, row)
      }
    }
  }

  /// Writes `scale` times the sum of rows that follow each other.
  ///
  /// Groups of rows are summed in parallel, then their sums are added in order.
  private func sumRows(
    _ x: Floats, _ rows: Int, of columns: Int, scale: Float, into out: Floats, _ write: Write
  ) {
    let size = min(max(32_768 / max(columns, 1), 32), 256)
    let parts = (rows + size - 1) / size
    guard parts > 1 else {
      kernels.sumRows(x, rows: rows, stride: columns, width: columns, scale: scale, into: out, write)
      return
    }
    withWorkspace(parts * columns) { sums in
      forEachShare(parts, columns: size * columns) { range in
        for part in range {
          kernels.sumRows(
            x + part * size * columns, rows: min(size, rows - part * size), stride: columns, width: columns,
            scale: 1, into: sums + part * columns, .overwrite)
        }
      }
      kernels.sumRows(sums, rows: parts, stride: columns, width: columns, scale: scale, into: out, write)
    }
  }
}
