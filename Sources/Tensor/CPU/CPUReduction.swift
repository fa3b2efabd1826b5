extension CPUBackend {
  /// Sums the middle axis of [outer, count, inner] and multiplies by `scale`.
  public func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination) {
    let (source, target) = (x.host("sum"), out.host("sum"))
    if inner == 1 {
      sumEachRow(outer, of: count, scale: Double(scale), into: target, out.write) { row, columns in
        let from = source + row * count
        return laneSum(columns) { from[$0] }
      }
      return
    }
    for block in 0..<outer {
      let from = source + block * count * inner
      sumColumns(count, of: inner, scale: scale, into: target + block * inner, out.write) { rows, partial in
        sumRows(rows, columns: 0..<inner, into: partial, .overwrite) { row, slot in from[slot + row * inner] }
      }
    }
  }

  /// The mean of (a - b)² over each of `out.count` equal rows.
  public func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination) {
    let rows = out.tensor.count
    let width = a.count / max(rows, 1)
    let (a, b, target) = (a.host("meanSquaredError"), b.host("meanSquaredError"), out.host("meanSquaredError"))
    sumEachRow(rows, of: width, scale: 1 / Double(width), into: target, out.write) { row, columns in
      let (rowA, rowB) = (a + row * width, b + row * width)
      return laneSum(columns) { slot in
        let difference = rowA[slot] - rowB[slot]
        return difference * difference
      }
    }
  }

  /// The derivative of `meanSquaredError` by `a`: 2 (a - b) · gradient[row] / rowCount.
  public func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination) {
    let rows = gradient.count
    let width = a.count / max(rows, 1)
    let name: StaticString = "meanSquaredErrorBackward"
    let (a, b, gradient, target) = (a.host(name), b.host(name), gradient.host(name), da.host(name))
    forEachRow(rows, of: width) { row, columns in
      let (rowA, rowB, factor) = (a + row * width, b + row * width, 2 * gradient[row] / Float(width))
      store(columns, into: target + row * width, da.write) { (rowA[$0] - rowB[$0]) * factor }
    }
  }

  /// Σ x², one Float32.
  public func sumOfSquares(_ x: Tensor, into out: Destination) {
    let exact = x.cast(to: .float32)
    let source = exact.host("sumOfSquares")
    sumEachRow(1, of: x.count, scale: 1, into: out.host("sumOfSquares"), out.write) { _, columns in
      laneSum(columns) { source[$0] * source[$0] }
    }
    withExtendedLifetime(exact) {}
  }

  /// Writes `scale` times the sum of every row, given the sum of any part of a row.
  ///
  /// Long rows are cut into chunks whose sums are added in order, so the result is the same for any number of threads.
  @inline(__always)
  private func sumEachRow(
    _ rows: Int, of columns: Int, scale: Double, into out: Floats, _ write: Write,
    _ partialSum: (Int, Range<Int>) -> Double
  ) {
    let chunks = max((columns + CPUBackend.chunk - 1) / CPUBackend.chunk, 1)
    withWorkspace(rows * chunks * 2) { workspace in
      let sums = UnsafeMutableRawPointer(workspace).assumingMemoryBound(to: Double.self)
      forEachChunk(rows * chunks, of: CPUBackend.rowsPerChunk(columns)) { parts in
        for part in parts {
          let (row, chunk) = part.quotientAndRemainder(dividingBy: chunks)
          let start = chunk * CPUBackend.chunk
          sums[part] = partialSum(row, start..<min(start + CPUBackend.chunk, columns))
        }
      }
      for row in 0..<rows {
        var total = 0.0
        for chunk in 0..<chunks { total += sums[row * chunks + chunk] }
        out[row] = (write == .accumulate ? out[row] : 0) + Float(total * scale)
      }
    }
  }

  /// Writes `scale` times the sum of all rows of a matrix, given the sums of any range of rows.
  ///
  /// Ranges of rows are summed in parallel, then their sums are added in order.
  @inline(__always)
  func sumColumns(
    _ rows: Int, of columns: Int, scale: Float = 1, into out: Floats, _ write: Write,
    _ partialSums: (Range<Int>, Floats) -> Void
  ) {
    let rowsPerPart = min(CPUBackend.rowsPerChunk(columns), 128)
    let parts = (rows + rowsPerPart - 1) / rowsPerPart
    withWorkspace(parts * columns) { sums in
      forEachChunk(rows, of: rowsPerPart) { partialSums($0, sums + $0.lowerBound / rowsPerPart * columns) }
      addUp(parts, of: columns, sums, scale: scale, into: out, write)
    }
  }

  /// Writes `scale` times the sum of `count` rows that lie one after the other.
  func addUp(_ count: Int, of columns: Int, _ rows: Floats, scale: Float = 1, into out: Floats, _ write: Write) {
    forEachChunk(columns, of: max(CPUBackend.rowsPerChunk(count), 64) & ~7) { range in
      store(range, into: out, write) { slot in
        var sum = Lanes.zero
        var run = Lanes.zero
        for row in 0..<count {
          run += rows[slot + row * columns]
          if row & 15 == 15 { (sum, run) = (sum + run, .zero) }
        }
        return (sum + run) * scale
      }
    }
  }
}
