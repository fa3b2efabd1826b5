import Testing

@testable import Tensor

@Suite struct MemoryPoolTests {
  @Test(arguments: [0, 1, 512, 513, 16_384, 16_385, 1_000_000, (1 << 25) - 1, 1 << 25, (1 << 25) + 1])
  func blocksAreLittleLargerThanAskedFor(_ byteCount: Int) {
    let pool = MemoryPool()
    let block = pool.allocate(byteCount: byteCount)
    #expect(block.byteCount >= byteCount)
    #expect(block.byteCount <= byteCount + max(byteCount / 32, 512))
    #expect(block.address.isMultiple(of: 64))
    pool.release(block)
    #expect(pool.allocate(byteCount: byteCount) == block)
  }

  /// A slightly smaller request takes a free block rather than fresh memory; a far smaller one leaves it alone.
  @Test func freeBlocksServeSmallerRequests() {
    let pool = MemoryPool()
    let block = pool.allocate(byteCount: 1_000_000)
    pool.release(block)
    let smaller = pool.allocate(byteCount: 950_000)
    #expect(smaller == block)
    pool.release(smaller)
    #expect(pool.allocate(byteCount: 500_000) != block)
  }

  /// Requests of ever new sizes do not pile up what earlier ones have left.
  @Test func unusedMemoryGoesBackToTheSystem() {
    let pool = MemoryPool()
    var largestSum = 0
    for megabytes in stride(from: 40, through: 200, by: 20) {
      pool.release(pool.allocate(byteCount: megabytes << 20))
      largestSum += megabytes << 20
    }
    let statistics = pool.statistics
    #expect(statistics.live == 0)
    #expect(statistics.peak >= 200 << 20)
    #expect(statistics.reserved <= statistics.peak * 3 / 2 + (64 << 20))
    #expect(statistics.reserved < largestSum)
  }
}
