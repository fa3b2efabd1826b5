import CPUKernels

/// The product of a matrix [rows, depth] and a matrix [depth, columns] by this project's kernels.
///
/// The depth is cut into blocks. The right operand is put in order block by block, as panels that stay in a core's
/// second cache, and the sums of the blocks are added one after the other, which also keeps long sums exact.
struct PanelProduct {
  let left: StridedMatrix
  let right: StridedMatrix
  let depth: Int
  let kernels: any KernelSet.Type

  /// The most elements of a block of the depth. It divides the widths of most layers of Stable Diffusion.
  private static let mostDepth = 320

  private var blockCount: Int { max((depth + PanelProduct.mostDepth - 1) / PanelProduct.mostDepth, 1) }

  /// Blocks of the same length, but for the last.
  private var blockDepth: Int { (depth + blockCount - 1) / blockCount }

  /// The addresses of the left operand's rows, as stored.
  private func addressCount(_ rows: Range<Int>) -> Int { left.isTransposed ? depth : rows.count }

  /// The numbers of working memory for some rows and columns of the result.
  func workspaceCount(_ rows: Range<Int>, _ columns: Range<Int>) -> Int {
    blockDepth * kernels.wholeTiles(columns.count) + addressCount(rows) * (MemoryLayout<ConstantFloats>.size / 4) + 2
  }

  /// Computes some rows and columns, whose first element is stored at `corner`; `bias` is what each column begins with.
  func multiply(
    _ rows: Range<Int>, _ columns: Range<Int>, into corner: Floats, stride: Int, bias: ConstantFloats?, _ write: Write,
    _ workspace: Floats
  ) {
    let panels = workspace
    let addresses = self.addresses(rows, in: workspace + blockDepth * kernels.wholeTiles(columns.count))
    for block in 0..<blockCount {
      let first = block * blockDepth
      let count = min(blockDepth, depth - first)
      kernels.packPanels(
        right.address(row: first, column: columns.lowerBound), stride: right.stride, isTransposed: right.isTransposed,
        depth: count, columns: columns.count, into: panels)
      let write: Write = block == 0 ? write : .accumulate
      let bias = block == 0 ? bias : nil
      if left.isTransposed {
        kernels.multiply(
          columns: addresses + first, offset: rows.lowerBound, rowCount: rows.count, depth: count, panels: panels,
          columns: columns.count, into: corner, stride: stride, bias: bias, write)
      } else {
        kernels.multiply(
          rows: addresses, offset: first, rowCount: rows.count, taps: 1, depth: count, panels: panels,
          columns: columns.count, into: corner, stride: stride, bias: bias, write)
      }
    }
  }

  private func addresses(_ rows: Range<Int>, in workspace: Floats) -> RowPointers {
    let alignment = MemoryLayout<ConstantFloats>.alignment
    let memory = UnsafeMutableRawPointer(workspace).alignedUp(toMultipleOf: alignment)
    let addresses = memory.bindMemory(to: ConstantFloats.self, capacity: addressCount(rows))
    let start = left.isTransposed ? left.start : left.start + rows.lowerBound * left.stride
    for row in 0..<addressCount(rows) { addresses[row] = ConstantFloats(start + row * left.stride) }
    return RowPointers(addresses)
  }
}

extension StridedMatrix {
  /// Where an element is stored.
  func address(row: Int, column: Int) -> Floats {
    isTransposed ? start + column * stride + row : start + row * stride + column
  }
}

extension ProductKernels {
  /// A number of rows or columns, rounded up to what whole panels hold.
  static func wholeTiles(_ count: Int) -> Int { (count + tileColumns - 1) / tileColumns * tileColumns }
}
