import Glibc

/// Large blocks of host memory, from one range of addresses as large as the machine's memory.
///
/// The system backs a page of the range with memory when it is first written to. Since the range is one, free neighbours
/// can always be joined, and nothing is lost between pieces of different sizes.
struct LargeBlocks {
  /// The bytes in use.
  private(set) var live = 0
  /// The most bytes that have been in use.
  private(set) var peak = 0
  /// The bytes of pages that have been in use and were not given back to the system.
  private(set) var reserved = 0

  private let mapping: UnsafeMutableRawPointer
  private let mappedByteCount: Int
  /// The first address of a huge page in the mapping.
  private let base: UInt
  private let byteCount: Int
  private var free = FreeSpans()
  /// Where the part of the range ends that has been in use.
  private var end = 0
  /// Where the part of the range ends that may be read and written.
  private var accessibleEnd = 0
  /// Which pages the system has to back, one for each below `end`.
  private var isBacked: [Bool] = []

  /// Memory is asked for in huge pages, which are many times cheaper to touch for the first time.
  private static let page = 2 << 20
  /// Blocks are multiples of this many bytes.
  private static let granularity = 4096
  private static let growth = 64 << 20

  /// A range for at least `byteCount` bytes. Traps where the system has no addresses to give.
  init(byteCount: Int) {
    let memory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    var size = max(memory, byteCount) + 2 * LargeBlocks.page
    var mapping: UnsafeMutableRawPointer?
    repeat {
      mapping = mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      if mapping == MAP_FAILED { size /= 2 }
    } while mapping == MAP_FAILED && size >= byteCount
    guard let mapping, mapping != MAP_FAILED else { LargeBlocks.stop(byteCount) }
    madvise(mapping, size, MADV_HUGEPAGE)
    self.mapping = mapping
    mappedByteCount = size
    let skipped = (LargeBlocks.page - Int(bitPattern: mapping) % LargeBlocks.page) % LargeBlocks.page
    base = UInt(bitPattern: mapping) + UInt(skipped)
    self.byteCount = size - skipped
  }

  /// Gives the range back to the system.
  func unmap() { munmap(mapping, mappedByteCount) }

  /// A block of at least `byteCount` bytes at a multiple of 4096.
  mutating func allocate(byteCount: Int) -> MemoryBlock {
    let size = (byteCount + LargeBlocks.granularity - 1) / LargeBlocks.granularity * LargeBlocks.granularity
    let start = free.take(size) ?? grow(by: size)
    live += size
    peak = max(peak, live)
    back(start, size)
    return MemoryBlock(address: base + UInt(start), byteCount: size)
  }

  /// Whether a block lies in the range.
  func owns(_ block: MemoryBlock) -> Bool { block.address >= base && block.address < base + UInt(byteCount) }

  /// Takes a block back.
  mutating func release(_ block: MemoryBlock) {
    live -= block.byteCount
    free.insert(Int(block.address - base), block.byteCount)
  }

  /// Lengthens the part of the range that is in use, by as little as is missing beyond a free part at its end.
  private mutating func grow(by size: Int) -> Int {
    let start = free.takeLast(endingAt: end) ?? end
    guard size <= byteCount - start else { LargeBlocks.stop(size) }
    end = start + size
    if end > accessibleEnd {
      let newEnd = min((end + LargeBlocks.growth - 1) / LargeBlocks.growth * LargeBlocks.growth, byteCount)
      let failure = mprotect(pointer(accessibleEnd), newEnd - accessibleEnd, PROT_READ | PROT_WRITE)
      if failure != 0 { LargeBlocks.stop(size) }
      accessibleEnd = newEnd
    }
    return start
  }

  /// Notes that the system has to back the pages of a block. Where more is held then than blocks need, free pages go
  /// back.
  private mutating func back(_ start: Int, _ size: Int) {
    let pages = start / LargeBlocks.page..<(start + size - 1) / LargeBlocks.page + 1
    while isBacked.count < pages.upperBound { isBacked.append(false) }
    let fresh = pages.filter { !isBacked[$0] }
    for page in fresh { isBacked[page] = true }
    reserved += fresh.count * LargeBlocks.page
    let limit = peak + peak / 16 + LargeBlocks.growth
    guard !fresh.isEmpty && reserved > limit else { return }
    for span in free.largestFirst {
      let first = (span.start + LargeBlocks.page - 1) / LargeBlocks.page
      let last = (span.start + span.count) / LargeBlocks.page
      for page in stride(from: last - 1, through: first, by: -1) where isBacked[page] {
        madvise(pointer(page * LargeBlocks.page), LargeBlocks.page, MADV_DONTNEED)
        isBacked[page] = false
        reserved -= LargeBlocks.page
        if reserved <= limit { return }
      }
    }
  }

  private func pointer(_ offset: Int) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: base + UInt(offset))
  }

  private static func stop(_ byteCount: Int) -> Never {
    fatalError("MemoryPool: the system refused \(byteCount) bytes of memory")
  }
}
