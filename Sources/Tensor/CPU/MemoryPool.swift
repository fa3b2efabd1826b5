import Synchronization

/// Keeps blocks of host memory for reuse, because a page fresh from the system costs ten times a write to an old one.
///
/// What is kept beyond a little more than the peak use goes back to the system.
final class MemoryPool: Sendable {
  private struct State {
    var small = SmallBlocks()
    /// Made when it is first needed: it takes addresses by the gigabyte.
    var large: LargeBlocks?
    var peak = 0

    var live: Int { small.live + (large?.live ?? 0) }
  }

  private let state = Mutex(State())

  deinit {
    state.withLock { state in
      state.small.unmap()
      state.large?.unmap()
    }
  }

  /// The bytes in use, the most there have been, and the bytes held from the system.
  var statistics: MemoryStatistics {
    state.withLock { state in
      MemoryStatistics(
        live: state.live, peak: state.peak, reserved: state.small.reserved + (state.large?.reserved ?? 0))
    }
  }

  /// A block of at least `byteCount` bytes at a multiple of 64. Debug builds fill it with the bytes of a NaN.
  func allocate(byteCount: Int) -> MemoryBlock {
    let block = state.withLock { state in
      let block: MemoryBlock
      if byteCount < SmallBlocks.end {
        block = state.small.allocate(byteCount: byteCount)
      } else {
        if state.large == nil { state.large = LargeBlocks(byteCount: byteCount) }
        block = state.large!.allocate(byteCount: byteCount)
      }
      state.peak = max(state.peak, state.live)
      return block
    }
    #if DEBUG
      UnsafeMutablePointer<UInt8>(address: block.address).initialize(repeating: 0xff, count: block.byteCount)
    #endif
    return block
  }

  /// Takes a block back.
  func release(_ block: MemoryBlock) {
    state.withLock { state in
      if state.large?.owns(block) == true { state.large!.release(block) } else { state.small.release(block) }
    }
  }
}
