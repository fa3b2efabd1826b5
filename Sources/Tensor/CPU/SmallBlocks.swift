import Glibc

/// Small blocks of host memory in size classes, 32 to each doubling. A freed block serves the next request of its class.
struct SmallBlocks {
  /// Requests of this many bytes and more are not small.
  static let end = 1 << 20

  /// The bytes in use.
  private(set) var live = 0
  /// The bytes held from the system.
  private(set) var reserved = 0
  private var peak = 0
  private var free = [[UInt]](repeating: [], count: classCount)

  /// A block of at least `byteCount` bytes at a multiple of 64.
  mutating func allocate(byteCount: Int) -> MemoryBlock {
    let index = SmallBlocks.sizeClass(byteCount)
    let size = SmallBlocks.byteCount(ofClass: index)
    if let address = free[index].popLast() { return use(address, size) }
    makeRoom(for: size)
    var pointer: UnsafeMutableRawPointer?
    let failure = posix_memalign(&pointer, 64, size)
    guard failure == 0, let pointer else { fatalError("MemoryPool: the system refused \(size) bytes of memory") }
    reserved += size
    return use(UInt(bitPattern: pointer), size)
  }

  /// Takes a block back.
  mutating func release(_ block: MemoryBlock) {
    live -= block.byteCount
    self.free[SmallBlocks.sizeClass(block.byteCount)].append(block.address)
  }

  /// Gives all free blocks back to the system.
  mutating func unmap() {
    for index in free.indices {
      while let address = free[index].popLast() { giveBack(address, index) }
    }
  }

  private mutating func use(_ address: UInt, _ size: Int) -> MemoryBlock {
    live += size
    peak = max(peak, live)
    return MemoryBlock(address: address, byteCount: size)
  }

  /// Gives free blocks back, largest first, while far more would be held than has ever been in use.
  private mutating func makeRoom(for size: Int) {
    let limit = max(peak, live + size) * 3 / 2 + (64 << 20)
    var index = SmallBlocks.classCount - 1
    while reserved + size > limit && index >= 0 {
      if let address = free[index].popLast() { giveBack(address, index) } else { index -= 1 }
    }
  }

  private mutating func giveBack(_ address: UInt, _ index: Int) {
    Glibc.free(UnsafeMutableRawPointer(bitPattern: address))
    reserved -= SmallBlocks.byteCount(ofClass: index)
  }
}

// MARK: - Size classes: multiples of 512 bytes up to 16 KiB, then 32 to each doubling

extension SmallBlocks {
  private static let classCount = sizeClass(end) + 1

  /// The smallest class that holds `byteCount` bytes.
  private static func sizeClass(_ byteCount: Int) -> Int {
    if byteCount <= 16_384 { return max((byteCount + 511) / 512, 1) - 1 }
    let octave = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
    let step = ((byteCount - 1) >> (octave - 5)) - 32
    return 32 + (octave - 14) * 32 + step
  }

  private static func byteCount(ofClass index: Int) -> Int {
    if index < 32 { return (index + 1) * 512 }
    let (octave, step) = (index - 32).quotientAndRemainder(dividingBy: 32)
    return (step + 33) << (octave + 9)
  }
}
