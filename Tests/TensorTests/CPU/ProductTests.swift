import OperationCatalogue
import TestSupport
import Testing

@testable import Tensor

/// Matrix products of the CPU, shared out over many threads.
@Suite struct ProductTests {
  private static let forms = [(false, false), (false, true), (true, false), (true, true)]

  /// Extents that are cut in both directions and in the depth, and some of which are better computed transposed.
  @Test(
    arguments: InstructionSet.available,
    [(154, 96, 64), (154, 320, 700), (77, 640, 320), (400, 130, 650), (31, 1300, 99), (60, 96, 1024)])
  func productsDoNotDependOnTheNumberOfThreads(_ set: InstructionSet, _ extents: (Int, Int, Int)) {
    let backends = [1, 2, 3, 7, 16].map { CPUBackend(threads: $0, instructionSet: set) }
    for (transposeA, transposeB) in Self.forms {
      let product = MatrixProduct(
        m: extents.0, n: extents.1, k: extents.2, transposeA: transposeA, transposeB: transposeB)
      let results = backends.map { result(product, on: $0) }
      let areEqual = results.allSatisfy { $0 == results[0] }
      #expect(areEqual, "\(product)")
    }
  }

  private func result(_ product: MatrixProduct, on backend: CPUBackend) -> [UInt32] {
    let operation = OperationCatalogue.matrixProduct(product, bias: true)
    let operands = zip(operation.operands, operation.operandValues()).map { operand, values in
      Tensor(numbers: values.numbers, values.shape, operand.dtype, on: backend)
    }
    let out = Tensor(empty: [product.m, product.n], on: backend)
    operation.run(backend, operands, [.overwrite(out)])
    return out.floats().map(\.bitPattern)
  }

  /// Every row and every column belongs to exactly one part, and no part is empty.
  @Test(arguments: [1, 2, 3, 16, 64])
  func gridCoversTheResult(_ threads: Int) {
    for (m, n) in [(1, 1), (77, 3072), (4096, 320), (12, 5000), (5000, 31), (64, 1280), (333, 777)] {
      let grid = ProductGrid(m: m, n: n, k: 1280, tileRows: 12, tileColumns: 32, threads: threads)
      var visits = [Int](repeating: 0, count: m * n)
      for index in 0..<grid.count {
        let (rows, columns) = grid.part(index)
        #expect(!rows.isEmpty && !columns.isEmpty, "\(m) x \(n): part \(index)")
        for row in rows {
          for column in columns { visits[row * n + column] += 1 }
        }
      }
      let areCoveredOnce = visits.allSatisfy { $0 == 1 }
      #expect(areCoveredOnce, "\(m) x \(n) for \(threads) threads")
    }
  }

  /// Large products have work for every thread.
  @Test func largeProductsUseAllThreads() {
    for (m, n, k) in [(64, 1280, 1280), (77, 3072, 768), (4096, 320, 320), (256, 10240, 1280)] {
      let grid = ProductGrid(m: m, n: n, k: k, tileRows: 12, tileColumns: 32, threads: 8)
      #expect(grid.count >= 8, "\(m) x \(n) x \(k): \(grid.count) parts")
    }
  }
}
