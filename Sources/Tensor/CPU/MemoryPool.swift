import Glibc
import Synchronization

/// Keeps blocks of host memory for reuse, because a page fresh from the system costs ten times a write to an old one.
///
/// Requests are rounded up to size classes, 32 to each doubling, and a freed block serves the next request of its class
/// or of one of the four below. What is kept beyond half as much again as the peak use goes back to the system.
final class MemoryPool: Sendable {
  private struct State {
    var free = [[UInt]](repeating: [], count: MemoryPool.classCount)
    var statistics = MemoryStatistics()
  }

  private let state = Mutex(State())

  deinit {
    state.withLock { state in
      for block in state.free.joined() { MemoryPool.unmap(block) }
    }
  }

  /// The bytes in use, the most there have been, and the bytes held from the system.
  var statistics: MemoryStatistics { state.withLock { $0.statistics } }

  /// A block of at least `byteCount` bytes at a multiple of 64. Debug builds fill it with the bytes of a NaN.
  func allocate(byteCount: Int) -> MemoryBlock {
    let block = state.withLock { state in
      let index = MemoryPool.sizeClass(byteCount)
      for candidate in index..<min(index + 5, MemoryPool.classCount) {
        guard let address = state.free[candidate].popLast() else { continue }
        return MemoryPool.use(address, MemoryPool.byteCount(ofClass: candidate), &state)
      }
      let size = MemoryPool.byteCount(ofClass: index)
      MemoryPool.makeRoom(for: size, &state)
      state.statistics.reserved += size
      return MemoryPool.use(MemoryPool.map(size), size, &state)
    }
    #if DEBUG
      UnsafeMutablePointer<UInt8>(address: block.address).initialize(repeating: 0xff, count: block.byteCount)
    #endif
    return block
  }

  /// Takes a block back.
  func release(_ block: MemoryBlock) {
    state.withLock { state in
      state.statistics.live -= block.byteCount
      state.free[MemoryPool.sizeClass(block.byteCount)].append(block.address)
    }
  }

  private static func use(_ address: UInt, _ size: Int, _ state: inout sending State) -> MemoryBlock {
    state.statistics.live += size
    state.statistics.peak = max(state.statistics.peak, state.statistics.live)
    return MemoryBlock(address: address, byteCount: size)
  }

  /// Gives free blocks back, largest first, while the pool would hold far more than has ever been in use.
  private static func makeRoom(for size: Int, _ state: inout sending State) {
    let limit = max(state.statistics.peak, state.statistics.live + size) * 3 / 2 + (64 << 20)
    var index = classCount - 1
    while state.statistics.reserved + size > limit && index >= 0 {
      guard let address = state.free[index].popLast() else {
        index -= 1
        continue
      }
      unmap(address)
      state.statistics.reserved -= byteCount(ofClass: index)
    }
  }
}

// MARK: - Size classes: multiples of 512 bytes up to 16 KiB, then 32 to each doubling

extension MemoryPool {
  private static let classCount = 32 + 32 * 34

  /// The smallest class that holds `byteCount` bytes.
  private static func sizeClass(_ byteCount: Int) -> Int {
    if byteCount <= 16_384 { return max((byteCount + 511) / 512, 1) - 1 }
    let octave = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
    let step = ((byteCount - 1) >> (octave - 5)) - 32
    let index = 32 + (octave - 14) * 32 + step
    require(index < classCount, "MemoryPool: \(byteCount) bytes are more than any machine has")
    return index
  }

  private static func byteCount(ofClass index: Int) -> Int {
    if index < 32 { return (index + 1) * 512 }
    let (octave, step) = (index - 32).quotientAndRemainder(dividingBy: 32)
    return (step + 33) << (octave + 9)
  }
}

// MARK: - The system's memory

extension MemoryPool {
  /// Fresh memory; large blocks ask for huge pages, which are many times cheaper to touch for the first time.
  private static func map(_ byteCount: Int) -> UInt {
    let hugePage = 2 << 20
    let isLarge = byteCount >= hugePage
    var pointer: UnsafeMutableRawPointer?
    let failure = posix_memalign(&pointer, isLarge ? hugePage : 64, byteCount)
    guard failure == 0, let pointer else {
      fatalError("MemoryPool: the system refused \(byteCount) bytes of memory")
    }
    if isLarge { madvise(pointer, byteCount, MADV_HUGEPAGE) }
    return UInt(bitPattern: pointer)
  }

  private static func unmap(_ address: UInt) {
    free(UnsafeMutableRawPointer(bitPattern: address))
  }
}
