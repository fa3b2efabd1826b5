import CPUKernels
import OperationCatalogue
import Testing

@testable import Tensor

/// The kernels that matrix products are made of, with every instruction set.
@Suite struct ProductKernelTests {
  /// Extents below, at and beyond the widths of tiles and vectors.
  private static let extents = [1, 2, 5, 6, 7, 12, 13, 16, 17, 31, 40, 77]
  private static let depths = [0, 1, 3, 8, 17, 33, 77]

  @Test(arguments: InstructionSet.available, [false, true])
  func panelsHoldTheColumnsInOrder(_ set: InstructionSet, _ isTransposed: Bool) {
    let width = set.kernels.tileColumns
    for columns in Self.extents {
      for depth in Self.depths {
        let b = Matrix(rows: depth, columns: columns, isTransposed: isTransposed)
        let panelCount = (columns + width - 1) / width
        let panels = packedPanels(b, columns: columns, depth: depth, set.kernels)
        let expected = (0..<panelCount).flatMap { panel in
          (0..<depth).flatMap { row in
            (panel * width..<(panel + 1) * width).map { $0 < columns ? b[row, $0] : 0 }
          }
        }
        #expect(panels == expected, "\(depth) x \(columns)")
      }
    }
  }

  /// Rows that lie anywhere, with and without what columns begin with.
  @Test(arguments: InstructionSet.available)
  func rowsAreMultiplied(_ set: InstructionSet) {
    for (rows, columns, depth) in Self.cases {
      let a = (0..<rows).map { _ in Matrix(rows: 1, columns: depth + 3) }
      let b = Matrix(rows: depth, columns: columns)
      let panels = packedPanels(b, columns: columns, depth: depth, set.kernels)
      let bias = Matrix(rows: 1, columns: columns)
      check(rows, columns, terms: depth + 2, bias) { c, stride, bias, write in
        withExtendedLifetime(a) {
          let addresses = a.map(\.address)
          set.kernels.multiply(
            rows: addresses, offset: 2, rowCount: rows, depth: depth, panels: panels, columns: columns,
            into: c, stride: stride, bias: bias, write,
            before: UpcomingRows(panels, stride: 3, count: 5, length: 40))
        }
      } sum: { row, column in
        (0..<depth).reduce(0) { sum, k in sum + Double(a[row][0, 2 + k]) * Double(b[k, column]) }
      }
    }
  }

  /// Columns of a matrix whose rows lie anywhere.
  @Test(arguments: InstructionSet.available)
  func columnsAreMultiplied(_ set: InstructionSet) {
    for (rows, columns, depth) in Self.cases + [(140, 33, 300)] {
      let a = (0..<depth).map { _ in Matrix(rows: 1, columns: rows + 2) }
      let b = Matrix(rows: depth, columns: columns)
      let panels = packedPanels(b, columns: columns, depth: depth, set.kernels)
      let bias = Matrix(rows: 1, columns: columns)
      check(rows, columns, terms: depth + 2, bias) { c, stride, bias, write in
        withExtendedLifetime(a) {
          let addresses = a.map(\.address)
          set.kernels.multiply(
            columns: addresses, offset: 1, rowCount: rows, depth: depth, panels: panels, columns: columns, into: c,
            stride: stride, bias: bias, write,
            before: UpcomingRows(panels, stride: 3, count: 5, length: 40))
        }
      } sum: { row, column in
        (0..<depth).reduce(0) { $0 + Double(a[$1][0, 1 + row]) * Double(b[$1, column]) }
      }
    }
  }

  /// Products that read both operands where they lie.
  @Test(arguments: InstructionSet.available, [false, true])
  func fewRowsAreMultiplied(_ set: InstructionSet, _ isTransposed: Bool) {
    for (rows, columns, depth) in Self.cases + [(3, 33, 300)] {
      let a = Matrix(rows: rows, columns: depth)
      let b = Matrix(rows: depth, columns: columns, isTransposed: isTransposed)
      let bias = Matrix(rows: 1, columns: columns)
      check(rows, columns, terms: depth + 2, bias) { c, stride, bias, write in
        if isTransposed {
          set.kernels.multiplyRows(
            a.address, rows: rows, b.address, columns: columns, depth: depth, into: c, stride: stride, bias: bias,
            write)
        } else {
          set.kernels.combineRows(
            a.address, rows: rows, rowStride: depth, depth: depth, depthStride: 1, b.address, stride: columns,
            columns: columns, into: c, stride: stride, bias: bias, write)
        }
      } sum: { row, column in
        (0..<depth).reduce(0) { $0 + Double(a[row, $1]) * Double(b[$1, column]) }
      }
    }
  }

  private static let cases = [1, 5, 6, 7, 12, 13, 25].flatMap { rows in
    extents.flatMap { columns in
      depths.map { (rows, columns, $0) }
    }
  }

  private func packedPanels(_ b: Matrix, columns: Int, depth: Int, _ kernels: any KernelSet.Type) -> [Float] {
    let count = kernels.wholeTiles(columns) * depth
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      buffer.initialize(repeating: .nan)
      if let panels = buffer.baseAddress {
        kernels.packPanels(
          b.address, stride: b.stride, isTransposed: b.isTransposed, depth: depth, columns: columns, into: panels)
      }
      initialized = count
    }
  }

  /// Calls a kernel in each way of writing, with a bias and without, and compares what it wrote with sums in Float64.
  ///
  /// Numbers lie between -1 and 1, so that each of at most `terms` additions rounds by half a unit in the last place of
  /// a number below `terms`. Between and beyond the rows nothing may be written.
  private func check(
    _ rows: Int, _ columns: Int, terms: Int, _ bias: Matrix,
    _ run: (Floats, _ stride: Int, ConstantFloats?, Write) -> Void, sum: (_ row: Int, _ column: Int) -> Double
  ) {
    let stride = columns + 3
    let tolerance = Double(terms * terms) * 0x1p-24
    let sums = (0..<rows).map { row in (0..<columns).map { sum(row, $0) } }
    for write in Write.allCases {
      for hasBias in [false, true] {
        let before = Matrix(rows: rows, columns: stride)
        let after = Matrix(rows: rows, columns: stride)
        run(after.memory, stride, hasBias ? bias.address : nil, write)
        var (worst, bordersChanged) = (0.0, false)
        for row in 0..<rows {
          for column in 0..<stride {
            guard column < columns else {
              bordersChanged = bordersChanged || after[row, column] != before[row, column]
              continue
            }
            let expected =
              sums[row][column] + (hasBias ? Double(bias[0, column]) : 0)
              + (write == .accumulate ? Double(before[row, column]) : 0)
            let error = abs(Double(after[row, column]) - expected)
            worst = error <= worst ? worst : error  // NaN is the worst
          }
        }
        #expect(worst <= tolerance, "\(rows) x \(columns), \(write), bias \(hasBias)")
        #expect(!bordersChanged, "\(rows) x \(columns), \(write), bias \(hasBias)")
      }
    }
  }
}

/// A matrix of numbers between -1 and 1, in memory with a NaN before and after it.
private final class Matrix {
  let memory: Floats
  let stride: Int
  let isTransposed: Bool
  private let count: Int

  init(rows: Int, columns: Int, isTransposed: Bool = false) {
    count = rows * columns
    stride = isTransposed ? rows : columns
    self.isTransposed = isTransposed
    let start = Floats.allocate(capacity: count + 2)
    start[0] = .nan
    start[count + 1] = .nan
    memory = start + 1
    var state = UInt32(truncatingIfNeeded: 7 + 31 * rows + columns)
    for index in 0..<count {
      state = state &* 1_664_525 &+ 1_013_904_223
      memory[index] = Float(Int32(bitPattern: state) >> 8) * 0x1p-23
    }
  }

  deinit { (memory - 1).deallocate() }

  var address: ConstantFloats { ConstantFloats(memory) }

  subscript(row: Int, column: Int) -> Float { memory[isTransposed ? column * stride + row : row * stride + column] }
}
