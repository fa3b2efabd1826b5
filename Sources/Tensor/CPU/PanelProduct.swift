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

  /// Whether the rows of a tile would drive each other out of a core's first cache, all having the same place there.
  private var rowsCollide: Bool { !left.isTransposed && left.stride % 1024 == 0 }

  /// Rows that collide are copied, so many at a time, to where they do not.
  private var copiedRows: Int { 4 * kernels.tileRows }

  private var copyStride: Int { blockDepth + 16 }

  /// The addresses of rows that a kernel is given.
  private func addressCount(_ rows: Range<Int>) -> Int {
    left.isTransposed ? depth : rowsCollide ? copiedRows : rows.count
  }

  /// The numbers of working memory for some rows and columns of the result.
  func workspaceCount(_ rows: Range<Int>, _ columns: Range<Int>) -> Int {
    let addresses = addressCount(rows) * (MemoryLayout<ConstantFloats>.size / MemoryLayout<Float>.size) + 1
    let copies = rowsCollide ? copiedRows * copyStride : 0
    return blockDepth * kernels.wholeTiles(columns.count) + copies + addresses
  }

  /// Computes some rows and columns, whose first element is stored at `corner`; `bias` is what each column begins with.
  func multiply(
    _ rows: Range<Int>, _ columns: Range<Int>, into corner: Floats, stride: Int, bias: ConstantFloats?, _ write: Write,
    _ workspace: Floats
  ) {
    let (panels, copies) = (workspace, workspace + blockDepth * kernels.wholeTiles(columns.count))
    let addresses = self.addresses(rows, copies)
    for block in 0..<blockCount {
      let first = block * blockDepth
      let count = min(blockDepth, depth - first)
      kernels.packPanels(
        right.address(row: first, column: columns.lowerBound), stride: right.stride, isTransposed: right.isTransposed,
        depth: count, columns: columns.count, into: panels)
      let (write, bias): (Write, ConstantFloats?) = block == 0 ? (write, bias) : (.accumulate, nil)
      let upcoming = rowsToPack(first + count..<min(first + count + blockDepth, depth), columns)
      if left.isTransposed {
        kernels.multiply(
          columns: addresses + first, offset: rows.lowerBound, rowCount: rows.count, depth: count, panels: panels,
          columns: columns.count, into: corner, stride: stride, bias: bias, write, before: upcoming)
      } else if rowsCollide {
        multiplyCopies(
          rows, first..<first + count, addresses, copies, panels, columns.count, into: corner, stride: stride,
          bias: bias, write, before: upcoming)
      } else {
        kernels.multiply(
          rows: addresses, offset: first, rowCount: rows.count, depth: count, panels: panels,
          columns: columns.count, into: corner, stride: stride, bias: bias, write, before: upcoming)
      }
    }
  }

  /// The memory that a block of the right operand is packed from.
  private func rowsToPack(_ depth: Range<Int>, _ columns: Range<Int>) -> UpcomingRows {
    if depth.isEmpty { return .none }
    let start = right.address(row: depth.lowerBound, column: columns.lowerBound)
    return right.isTransposed
      ? UpcomingRows(start, stride: right.stride, count: columns.count, length: depth.count)
      : UpcomingRows(start, stride: right.stride, count: depth.count, length: columns.count)
  }

  /// Multiplies rows that collide by a block of panels.
  private func multiplyCopies(
    _ rows: Range<Int>, _ depth: Range<Int>, _ addresses: RowPointers, _ copies: Floats, _ panels: Floats,
    _ columnCount: Int, into corner: Floats, stride: Int, bias: ConstantFloats?, _ write: Write,
    before upcoming: UpcomingRows
  ) {
    var start = 0
    while start < rows.count {
      let rowCount = min(copiedRows, rows.count - start)
      let next = min(copiedRows, rows.count - start - rowCount)
      let rowsToCopy = UpcomingRows(
        left.address(row: rows.lowerBound + start + rowCount, column: depth.lowerBound), stride: left.stride,
        count: next, length: depth.count)
      for row in 0..<rowCount {
        let source = left.address(row: rows.lowerBound + start + row, column: depth.lowerBound)
        (copies + row * copyStride).update(from: source, count: depth.count)
      }
      kernels.multiply(
        rows: addresses, offset: 0, rowCount: rowCount, depth: depth.count, panels: panels,
        columns: columnCount, into: corner + start * stride, stride: stride, bias: bias, write,
        before: next > 0 ? rowsToCopy : upcoming)
      start += copiedRows
    }
  }

  /// The addresses of the left operand's rows, as stored or as copied, behind the copies.
  private func addresses(_ rows: Range<Int>, _ copies: Floats) -> RowPointers {
    let count = addressCount(rows)
    let (start, distance) =
      rowsCollide
      ? (copies, copyStride) : (left.address(row: left.isTransposed ? 0 : rows.lowerBound, column: 0), left.stride)
    let memory = UnsafeMutableRawPointer(copies + (rowsCollide ? copiedRows * copyStride : 0))
      .alignedUp(for: ConstantFloats.self)
    let addresses = memory.bindMemory(to: ConstantFloats.self, capacity: count)
    for row in 0..<count { addresses[row] = ConstantFloats(start + row * distance) }
    return RowPointers(addresses)
  }
}

extension ProductKernels {
  /// A number of rows or columns, rounded up to what whole panels hold.
  static func wholeTiles(_ count: Int) -> Int { (count + tileColumns - 1) / tileColumns * tileColumns }
}
