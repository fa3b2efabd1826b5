extension CPUBackend {
  /// Row `indices[i]` of `table` becomes row i of the output.
  public func gather(_ table: Tensor, _ indices: Tensor, into out: Tensor) {
    require(table.dtype == out.dtype, "gather: \(table.dtype) does not go into \(out.dtype)")
    let (source, target, indices) = (table.hostBytes, out.hostBytes, RowIndices(indices, of: table.shape, "gather"))
    let rowBytes = table.shape[1] * table.dtype.byteCount
    for i in 0..<indices.count {
      (target + i * rowBytes).copyMemory(from: source + indices[i] * rowBytes, byteCount: rowBytes)
    }
  }

  /// Adds row i of the gradient to row `indices[i]`, in the order of i; other rows become or stay as `dtable` says.
  public func gatherBackward(_ indices: Tensor, _ gradient: Tensor, into dtable: Destination) {
    let (source, target) = (gradient.host("gatherBackward"), dtable.host("gatherBackward"))
    if dtable.write == .overwrite { fill(0, into: dtable.tensor) }
    let indices = RowIndices(indices, of: dtable.tensor.shape, "gatherBackward")
    let width = dtable.tensor.shape[1]
    for i in 0..<indices.count {
      add(source + i * width, width, to: target + indices[i] * width)
    }
  }
}

/// Row numbers that are checked against the table they point into.
private struct RowIndices {
  let count: Int
  private let indices: UnsafeMutablePointer<Int32>
  private let rows: Int
  private let operation: StaticString

  init(_ indices: Tensor, of table: Shape, _ operation: StaticString) {
    count = indices.count
    self.indices = UnsafeMutablePointer(address: indices.address)
    rows = table[0]
    self.operation = operation
  }

  subscript(_ i: Int) -> Int {
    let index = Int(indices[i])
    require(index >= 0 && index < rows, "\(operation): index \(index) is outside a table of \(rows) rows")
    return index
  }
}
