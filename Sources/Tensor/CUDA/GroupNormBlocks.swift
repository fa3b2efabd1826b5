/// How group normalisation of [batch, height, width, channels] is divided into blocks of threads.
///
/// A block takes a slab of channels, which consists of whole groups, and a chunk of a picture's pixels; `Slab` in the
/// kernels is its counterpart. The division depends on the extents alone, so that every card adds in the same order.
struct GroupNormBlocks {
  let dtype: DType
  let batch: Int
  let area: Int
  let channels: Int
  let channelsPerGroup: Int
  /// The channels that a thread reads at once.
  let width: Int
  let threads: Int
  let slabs: Int
  let pixelsPerChunk: Int
  let chunks: Int

  /// The most threads of a block, as in the kernels.
  private static let maximumThreads = 384
  /// The usual threads of a block: three blocks share a multiprocessor of 65,536 registers.
  private static let usualThreads = 256
  /// The most blocks, so that all of them run at once and each has few partial results to combine.
  private static let maximumBlocks = 384
  /// The fewest vectors of channels side by side, for the sake of contiguous reads.
  private static let minimumColumns = 16
  /// The pixels that a thread reads before it has to wait.
  private static let tileSize = 3

  /// The division of a tensor.
  ///
  /// - Parameters:
  ///   - widths: the vectors of channels that the kernels know, widest first; all of them read single channels, too.
  ///   - isAligned: whether vectors may be read at all.
  ///   - wholeLimit: the most elements for which one block takes a slab of a picture as a whole.
  init(
    _ shape: Shape, _ spec: GroupNormalization, dtype: DType, widths: [Int], isAligned: Bool, wholeLimit: Int
  ) {
    let (batch, area, channels) = (shape[0], shape[1] * shape[2], shape[3])
    let channelsPerGroup = channels / spec.groups
    // A slab is a multiple of the fewest columns, vectors of channels, that hold whole groups.
    func unit(_ width: Int) -> Int { leastCommonMultiple(channelsPerGroup, width) / width }
    let width =
      widths.first {
        channels.isMultiple(of: $0) && channelsPerGroup >= $0 && isAligned && unit($0) <= Self.maximumThreads
      } ?? 1
    let unit = unit(width)
    require(
      unit <= Self.maximumThreads,
      "groupNorm: a GPU takes groups of at most \(Self.maximumThreads) channels, not \(channelsPerGroup)")

    self.dtype = dtype
    (self.batch, self.area, self.channels) = (batch, area, channels)
    (self.channelsPerGroup, self.width) = (channelsPerGroup, width)
    let units = channels / (unit * width)
    if area * unit * width <= wholeLimit {
      slabs = units
      threads = Self.threads(columns: unit, lanes: max(1, min(area, Self.maximumThreads / unit)))
      (pixelsPerChunk, chunks) = (area, 1)
      return
    }
    let candidates = (1...units).filter { units.isMultiple(of: $0) && $0 * unit <= Self.maximumThreads }
    let columns = unit * (candidates.first { $0 * unit >= Self.minimumColumns } ?? candidates[candidates.count - 1])
    slabs = channels / (columns * width)
    threads = Self.threads(columns: columns, lanes: max(1, min(area, Self.usualThreads / columns)))
    let lanes = threads / columns
    let chunkLimit = max(1, Self.maximumBlocks / max(1, batch * slabs))
    let pixels = max(ceilingQuotient(area, chunkLimit), Self.tileSize * lanes)
    pixelsPerChunk = ceilingQuotient(pixels, lanes) * lanes
    chunks = ceilingQuotient(area, pixelsPerChunk)
  }

  /// Whether every block holds all pixels of its slab.
  var isWhole: Bool { chunks == 1 }

  /// A block for every chunk, slab and picture.
  var grid: KernelGrid { KernelGrid(chunks, slabs, batch) }

  /// A kernel in the variant for these blocks.
  func kernel(_ source: KernelSource, _ function: String) -> Kernel {
    Kernel(source, function, KernelMacro("T", dtype), KernelMacro("WIDTH", String(width)))
  }

  /// Enough whole warps for so many lanes of columns.
  private static func threads(columns: Int, lanes: Int) -> Int {
    let warp = 32
    return ceilingQuotient(columns * lanes, warp) * warp
  }
}

private func ceilingQuotient(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }

private func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
  var (divisor, rest) = (a, b)
  while rest != 0 { (divisor, rest) = (rest, divisor % rest) }
  return a / divisor * b
}
