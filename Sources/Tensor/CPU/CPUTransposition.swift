import CPUKernels

extension CPUBackend {
  /// Reorders axes: axis i of the output is axis `permutation[i]` of the input. Types of any kind are moved.
  public func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination) {
    let target = out.tensor
    require(x.dtype == target.dtype, "transpose: \(x.dtype) does not go into \(target.dtype)")
    let rows = ScatteredRows(x.shape, permutation)
    require(
      out.write == .overwrite || x.dtype == .float32, "transpose: cpu computes in float32 and does not add \(x.dtype)")
    if x.count == 0 { return }
    switch x.dtype.byteCount {
    case _ where rows.distance == 1: moveRows(x, rows, into: out)
    case 4: transposeWords(x, rows, into: out)
    case 2: transpose(x, rows, into: target, as: UInt16.self)
    default: transpose(x, rows, into: target, as: UInt8.self)
    }
  }

  /// Rows that lie in one piece in the input too.
  private func moveRows(_ x: Tensor, _ rows: ScatteredRows, into out: Destination) {
    let (source, target, size) = (x.hostBytes, out.tensor.hostBytes, x.dtype.byteCount)
    forEachShare(rows.count, columns: rows.length) { range in
      rows.forEachRun(of: range) { run in
        for index in 0..<run.count {
          let from = source + (run.source + index * rows.length) * size
          let to = target + (run.target + index * rows.targetStride) * size
          if out.write == .accumulate {
            let (numbers, sums) = (from.assumingMemoryBound(to: Float.self), to.assumingMemoryBound(to: Float.self))
            add(numbers, rows.length, to: sums)
          } else {
            to.copyMemory(from: from, byteCount: rows.length * size)
          }
        }
      }
    }
  }

  /// Elements of four bytes are moved in squares, as the Float32 that they are or whose bits they have.
  private func transposeWords(_ x: Tensor, _ rows: ScatteredRows, into out: Destination) {
    let (source, target) = (Floats(address: x.address), Floats(address: out.tensor.address))
    forEachShare(rows.count, columns: rows.length) { range in
      rows.forEachRun(of: range) { run in
        kernels.transpose(
          source + run.source, stride: rows.distance, rows: rows.length, columns: run.count,
          into: target + run.target, stride: rows.targetStride, bias: nil, out.write)
      }
    }
  }

  /// Elements of other sizes are moved one by one.
  @inline(__always)
  private func transpose<Bits: BitwiseCopyable>(
    _ x: Tensor, _ rows: ScatteredRows, into out: Tensor, as: Bits.Type
  ) {
    let source = UnsafeMutablePointer<Bits>(address: x.address)
    let target = UnsafeMutablePointer<Bits>(address: out.address)
    forEachShare(rows.count, columns: rows.length) { range in
      rows.forEachRun(of: range) { run in
        for index in 0..<run.count {
          let (from, to) = (source + run.source + index, target + run.target + index * rows.targetStride)
          for element in 0..<rows.length { to[element] = from[element * rows.distance] }
        }
      }
    }
  }
}

/// The output's innermost axis as it lies in the input: blocks [length, distance] whose columns are rows of the output.
/// Neighbouring columns are neighbours in memory, so that squares of them can be moved at once.
private struct ScatteredRows {
  /// The elements of a row of the output.
  let length: Int
  /// Their distance in the input, which is the number of columns of a block.
  let distance: Int
  /// The rows of the output, counted in the order of the input.
  let count: Int
  /// The distance of the rows of a run in the output.
  let targetStride: Int
  /// The most rows of a run.
  private let runLength: Int
  /// The axes outside of runs, the input's innermost first, and the distance of their elements in the output.
  private let axes: [(extent: Int, targetStride: Int)]

  /// Rows that follow each other in the input, and lie at one distance in the output.
  struct Run {
    let count: Int
    /// Where the first begins in the input.
    let source: Int
    /// Where it begins in the output.
    let target: Int
  }

  /// The rows of a tensor of the given shape, reordered.
  init(_ shape: Shape, _ permutation: [Int]) {
    let transposed = TransposedAxes(shape, permutation)
    length = transposed.width
    distance = max(transposed.widthStride, 1)
    count = transposed.planes * transposed.height
    var stride = transposed.width
    var axes: [(extent: Int, stride: Int, targetStride: Int)] = []
    for axis in (transposed.outer + [(transposed.height, transposed.heightStride)]).reversed() {
      axes.append((axis.extent, axis.stride, stride))
      stride *= axis.extent
    }
    axes.sort { $0.stride < $1.stride }
    (runLength, targetStride) = (axes[0].extent, axes[0].targetStride)
    self.axes = axes.dropFirst().map { ($0.extent, $0.targetStride) }
  }

  /// Cuts a range of rows into runs. A run lies in one block, unless all blocks have a single column.
  @inline(__always)
  func forEachRun(of range: Range<Int>, _ body: (Run) -> Void) {
    var row = range.lowerBound
    while row < range.upperBound {
      var (outer, first) = row.quotientAndRemainder(dividingBy: runLength)
      let end = min((outer + 1) * runLength, range.upperBound)
      let (block, column) = row.quotientAndRemainder(dividingBy: distance)
      var target = first * targetStride
      for axis in axes {
        (outer, first) = outer.quotientAndRemainder(dividingBy: axis.extent)
        target += first * axis.targetStride
      }
      body(Run(count: end - row, source: block * length * distance + column, target: target))
      row = end
    }
  }
}
