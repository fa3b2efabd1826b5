import Synchronization

/// A GPU's memory for tensors: one range of addresses that is backed by memory as far as it has been needed.
///
/// A block that is released may be handed out again at once: everything runs on one stream, so whoever gets it writes
/// after the last reader has read. Because the range is one, free neighbours can always be joined and nothing is lost
/// between separately grown pieces.
///
/// A recorded step replays with the addresses it was recorded with. Blocks that are taken while something is being
/// recorded therefore stay with the recordings: they serve later recordings, which run one after another too, and are
/// given back with the last of them.
final class CUDAMemoryPool: Sendable {
  private struct State {
    var free = FreeSpans()
    /// Free for use inside recordings only.
    var recorded = FreeSpans()
    /// The blocks in use that were taken while recording.
    var recordedBlocks: Set<UInt> = []
    var isRecording = false
    var recordingCount = 0
    /// The memory behind the range, in the order of addresses.
    var backing: [(handle: UInt64, byteCount: Int)] = []
    var statistics = MemoryStatistics()
  }

  /// The most that may be taken from the device, in bytes.
  let limit: Int
  private let driver: DriverLibrary
  private let device: Int
  private let base: UInt
  private let rangeByteCount: Int
  private let state = Mutex(State())

  /// Memory is taken from the device in multiples of this many bytes.
  private static let growth = 32 << 20
  /// Blocks are multiples of this many bytes.
  private static let granularity = 512

  /// A pool on a device, empty at first.
  ///
  /// - Throws: `CUDALibraryError` where the driver has no addresses to give.
  init(_ driver: DriverLibrary, device: CUDADevice, limit: Int) throws(CUDALibraryError) {
    self.driver = driver
    self.device = device.index
    self.limit = limit
    rangeByteCount = (device.memory + Self.growth - 1) / Self.growth * Self.growth
    var base: UInt = 0
    try driver.require(driver.reserveAddresses(&base, rangeByteCount, 0, 0, 0), "cuMemAddressReserve")
    self.base = base
  }

  deinit {
    state.withLock { state in
      var address = base
      for piece in state.backing {
        _ = driver.unmapMemory(address, piece.byteCount)
        _ = driver.releaseMemory(piece.handle)
        address += UInt(piece.byteCount)
      }
    }
    _ = driver.freeAddresses(base, rangeByteCount)
  }

  /// The bytes in use, the most there have been, and the bytes taken from the device.
  var statistics: MemoryStatistics { state.withLock { $0.statistics } }

  /// A block of at least `byteCount` bytes at a multiple of 512.
  func allocate(byteCount: Int) -> MemoryBlock {
    let size = max((byteCount + Self.granularity - 1) / Self.granularity, 1) * Self.granularity
    return state.withLock { state in
      let reused = state.isRecording ? state.recorded.take(size) : nil
      let start = reused ?? state.free.take(size) ?? grow(&state, by: size)
      let block = MemoryBlock(address: base + UInt(start), byteCount: size)
      if state.isRecording { state.recordedBlocks.insert(block.address) }
      state.statistics.live += size
      state.statistics.peak = max(state.statistics.peak, state.statistics.live)
      return block
    }
  }

  /// Takes a block back.
  func release(_ block: MemoryBlock) {
    state.withLock { state in
      state.statistics.live -= block.byteCount
      let start = Int(block.address - base)
      if state.recordedBlocks.remove(block.address) != nil && state.recordingCount > 0 {
        state.recorded.insert(start, block.byteCount)
      } else {
        state.free.insert(start, block.byteCount)
      }
    }
  }

  // MARK: Recording

  /// Whether something is being recorded.
  var isRecording: Bool { state.withLock { $0.isRecording } }

  /// Blocks taken from now on belong to recordings.
  func beginRecording() {
    state.withLock { state in
      state.isRecording = true
      state.recordingCount += 1
    }
  }

  /// The end of what `beginRecording` began.
  func endRecording() {
    state.withLock { $0.isRecording = false }
  }

  /// One recording fewer; with the last one its memory is free for everyone.
  func dropRecording() {
    state.withLock { state in
      state.recordingCount -= 1
      guard state.recordingCount == 0 else { return }
      for span in state.recorded.takeAll() { state.free.insert(span.start, span.count) }
    }
  }

  // MARK: The device's memory

  /// Backs more of the range with memory, as little as is missing beyond a free part at its end.
  private func grow(_ state: inout sending State, by size: Int) -> Int {
    let end = state.statistics.reserved
    let start = state.free.takeLast(endingAt: end) ?? end
    let missing = size - (end - start)
    let growth = (missing + Self.growth - 1) / Self.growth * Self.growth
    guard end + growth <= limit else {
      fatalError(
        """
        CUDABackend: \(size) bytes more do not fit: \(state.statistics.live) bytes are in use, \(end) are reserved and \
        the limit is \(limit). `dbtool plan` tells what needs less
        """)
    }
    back(&state, from: end, growth)
    state.statistics.reserved += growth
    if end + growth > start + size { state.free.insert(start + size, end + growth - start - size) }
    return start
  }

  private func back(_ state: inout sending State, from start: Int, _ byteCount: Int) {
    // CUmemAllocationProp: pinned memory, no handle type, on a device, its number; the rest is zero.
    let properties: [Int32] = [1, 0, 1, Int32(device), 0, 0, 0, 0]
    // CUmemAccessDesc: a device, its number, reading and writing.
    let access: [Int32] = [1, Int32(device), 3]
    var handle: UInt64 = 0
    driver.check(driver.createMemory(&handle, byteCount, properties, 0), "cuMemCreate of \(byteCount) bytes")
    driver.check(driver.mapMemory(base + UInt(start), byteCount, 0, handle, 0), "cuMemMap")
    driver.check(driver.setAccess(base + UInt(start), byteCount, access, 1), "cuMemSetAccess")
    state.backing.append((handle, byteCount))
  }
}
