import Tensor
import TestSupport
import Testing

@Suite struct LowRankFactorsTests {
  private func random(_ shape: Shape, _ stream: UInt32, on backend: any Backend) -> Tensor {
    Tensor.normal(shape, RandomStream(seed: 9, stream: stream), draw: Tensor([Int32(0)], [], on: backend))
  }

  /// x y, with the second factor as [inner, columns].
  private func product(_ x: Tensor, _ y: Tensor) -> Tensor { x.linear(y.transposed([1, 0]), bias: nil) }

  @Test(arguments: Device.kinds, [(40, 90, 5), (90, 40, 5), (3, 200, 2), (64, 64, 64), (7, 5, 9)])
  func aMatrixOfLowRankIsFoundAgain(_ device: Device, _ extents: (rows: Int, columns: Int, rank: Int)) {
    let backend = device.backend
    let matrix = product(
      random([extents.rows, extents.rank], 1, on: backend), random([extents.rank, extents.columns], 2, on: backend))
    let factors = matrix.lowRankFactors(rank: extents.rank)
    let rank = min(extents.rank, extents.rows, extents.columns)
    #expect(factors.left.shape == [extents.rows, rank])
    #expect(factors.right.shape == [rank, extents.columns])
    #expect(relativeError(product(factors.left, factors.right).floats(), matrix.floats()) < 1e-5)
  }

  /// The best approximation leaves the singular values that were cut off, here known ones (Eckart and Young, 1936).
  @Test(arguments: [1, 3, 6])
  func whatIsLeftIsAsSmallAsCanBe(_ rank: Int) {
    let backend = Device.cpu.backend
    // Unit vectors along both axes, so that the diagonal holds the singular values.
    let values: [Float] = (0..<30).map { 8 / Float($0 + 1) }
    var numbers = [Float](repeating: 0, count: 30 * 50)
    for (index, value) in values.enumerated() {
      numbers[(29 - index) * 50 + 7 + index] = index % 2 == 0 ? value : -value
    }
    let matrix = Tensor(numbers, [30, 50], on: backend)
    let factors = matrix.lowRankFactors(rank: rank)
    let rest = (matrix - product(factors.left, factors.right)).sumOfSquares().scalar
    let least = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }
    #expect(rest >= least * 0.999 && rest <= least * 1.001)
    // Both factors carry the root of each singular value.
    let columns = factors.left.transposed([1, 0])
    for index in 0..<rank {
      #expect(abs(columns.rows(index..<index + 1).sumOfSquares().scalar - values[index]) < 1e-3 * values[index])
      #expect(abs(factors.right.rows(index..<index + 1).sumOfSquares().scalar - values[index]) < 1e-3 * values[index])
    }
  }

  @Test func nothingHasNoFactors() {
    let factors = Tensor(repeating: 0, [6, 4], on: Device.cpu.backend).lowRankFactors(rank: 2)
    #expect(factors.left.floats().allSatisfy { $0 == 0 })
    #expect(factors.right.floats().allSatisfy { $0 == 0 })
  }
}
