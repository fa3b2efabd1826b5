import Glibc
import OperationCatalogue
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

  /// A hardly smaller request takes a free block rather than fresh memory; a smaller one leaves it alone.
  @Test func freeBlocksServeSmallerRequests() {
    let pool = MemoryPool()
    let block = pool.allocate(byteCount: 1_000_000)
    pool.release(block)
    let smaller = pool.allocate(byteCount: 999_500)
    #expect(smaller == block)
    pool.release(smaller)
    #expect(pool.allocate(byteCount: 950_000) != block)
  }

  /// What large blocks leave serves a larger one.
  @Test func freeNeighboursAreJoined() {
    let pool = MemoryPool()
    let blocks = (0..<3).map { _ in pool.allocate(byteCount: 5_000_000) }
    for index in [0, 2, 1] { pool.release(blocks[index]) }
    let whole = pool.allocate(byteCount: 3 * blocks[0].byteCount)
    #expect(whole.address == blocks[0].address)
    pool.release(whole)
    #expect(pool.statistics.live == 0)
  }

  /// Holes that nothing fits into go back to the system, the blocks between them stay what they are, and the holes
  /// can be used again.
  @Test func unusedMemoryGoesBackToTheSystem() {
    let pool = MemoryPool()
    let (holeSize, wallSize) = (24 << 20, 1 << 20)
    let pairs = (0..<10).map { _ in (hole: pool.allocate(byteCount: holeSize), wall: pool.allocate(byteCount: wallSize))
    }
    for (index, pair) in pairs.enumerated() {
      pair.hole.fill(1)
      pair.wall.fill(UInt8(index))
    }
    for pair in pairs { pool.release(pair.hole) }
    let before = pool.statistics.reserved
    let large = pool.allocate(byteCount: 9 * holeSize)
    large.fill(2)
    let statistics = pool.statistics
    #expect(statistics.reserved <= statistics.peak + statistics.peak / 16 + (64 << 20))
    #expect(before + 9 * holeSize - statistics.reserved > 2 * holeSize)
    let resident = (pairs.map(\.hole) + pairs.map(\.wall) + [large]).reduce(0) { $0 + $1.residentByteCount }
    #expect(resident <= statistics.reserved)
    for (index, pair) in pairs.enumerated() { #expect(pair.wall.holdsOnly(UInt8(index))) }
    #expect(large.holdsOnly(2))
    let again = pairs.map { _ in pool.allocate(byteCount: holeSize) }
    #expect(Set(again) == Set(pairs.map(\.hole)))
    for block in again { block.fill(3) }
    #expect(again.allSatisfy { $0.holdsOnly(3) })
    for (index, pair) in pairs.enumerated() { #expect(pair.wall.holdsOnly(UInt8(index))) }
  }

  /// Blocks of any size come and go, and none shares a byte with another.
  @Test func blocksDoNotOverlap() throws {
    let pool = MemoryPool()
    var generator = SplitMix64(state: 3)
    var blocks: [(block: MemoryBlock, stamp: UInt8)] = []
    for round in 0..<600 {
      if blocks.count > 40 || (round % 3 == 2 && !blocks.isEmpty) {
        let (block, stamp) = blocks.remove(at: Int.random(in: 0..<blocks.count, using: &generator))
        #expect(block.holdsOnly(stamp))
        pool.release(block)
      }
      let block = pool.allocate(
        byteCount: Int.random(in: 1...(1 << Int.random(in: 8...22, using: &generator)), using: &generator))
      block.fill(UInt8(round % 251))
      blocks.append((block, UInt8(round % 251)))
    }
    #expect(pool.statistics.live == blocks.reduce(0) { $0 + $1.block.byteCount })
    for (block, stamp) in blocks {
      #expect(block.holdsOnly(stamp))
      pool.release(block)
    }
    #expect(pool.statistics.live == 0)
  }
}

extension MemoryBlock {
  private var bytes: UnsafeMutablePointer<UInt8> { UnsafeMutablePointer(address: address) }

  fileprivate func fill(_ byte: UInt8) { memset(bytes, Int32(byte), byteCount) }

  /// Whether every byte is `byte`.
  fileprivate func holdsOnly(_ byte: UInt8) -> Bool {
    bytes[0] == byte && memcmp(bytes, bytes + 1, byteCount - 1) == 0
  }

  /// The bytes that the system backs with memory.
  fileprivate var residentByteCount: Int {
    var pages = [UInt8](repeating: 0, count: (byteCount + 4095) / 4096)
    #expect(mincore(bytes, byteCount, &pages) == 0)
    return pages.count { $0 & 1 == 1 } * 4096
  }
}
