import CPUKernels

/// A convolution, forward or by its input, as a product of the source's pixels, read where they lie, with the weights of
/// each tap, added up in the target's pixels (M. Dukhan, The indirect convolution algorithm, 2019).
///
/// Every element of the target is a sum over taps and blocks of channels in one order, however the work is shared out.
struct DirectConvolution {
  let lattices: [PixelLattice]
  let source: ConstantFloats
  let sourceChannels: Int
  let target: Floats
  let targetChannels: Int
  /// [kernel, in, out].
  let weights: ConstantFloats
  /// Whether the source's channels are the weights' out channels.
  let isTransposed: Bool
  let bias: Floats?
  let write: Write

  /// The channels of a tap that are multiplied at once, and how many taps are where channels are few, so that a panel
  /// is deep enough to be worth its storing and 320 columns of panels fit in a second-level cache of 1 MiB.
  var depths: (channels: Int, taps: Int) {
    let most = 384
    if 2 * sourceChannels > most {
      let blocks = (sourceChannels + most - 1) / most
      return ((sourceChannels + blocks - 1) / blocks, 1)
    }
    let tapCount = lattices.map(\.taps.count).max() ?? 1
    let groups = (tapCount * sourceChannels + most - 1) / most
    return (sourceChannels, max((tapCount + groups - 1) / max(groups, 1), 1))
  }
}

extension CPUBackend {
  /// Shares a convolution out over the threads.
  func run(_ convolution: DirectConvolution) {
    let (lines, pixels) = convolution.lattices.reduce((0, 0)) { (max($0.0, $1.lineCount), $0.1 + $1.lineCount * $1.width) }
    let taps = convolution.lattices.reduce(0) { $0 + $1.taps.count }
    let grid = ConvolutionGrid(
      lines: lines, pixels: pixels, columns: convolution.targetChannels, panel: kernels.tileColumns,
      depth: convolution.sourceChannels * taps / max(convolution.lattices.count, 1), threads: threadCount)
    withWorkspace(convolution.sourceChannels) { zeros in
      zeros.update(repeating: 0, count: convolution.sourceChannels)
      threads.parallelFor(grid.count) { index in
        let part = grid.part(index)
        for lattice in convolution.lattices {
          let lines = part.cut(lattice.lineCount)
          if !lines.isEmpty { convolve(convolution, lattice, lines, part.columns, zeros) }
        }
      }
    }
  }

  /// The pixels of some lines and some of their channels.
  private func convolve(
    _ convolution: DirectConvolution, _ lattice: PixelLattice, _ lines: Range<Int>, _ columns: Range<Int>,
    _ zeros: Floats
  ) {
    if convolution.write == .overwrite { convolution.begin(lattice, lines, columns) }
    let (depth, tapsAtOnce) = convolution.depths
    let pixels = lines.count * lattice.width
    let panelWidth = (columns.count + kernels.tileColumns - 1) / kernels.tileColumns * kernels.tileColumns
    withWorkspace(panelWidth * depth * tapsAtOnce) { panels in
      withPixelTable(taps: tapsAtOnce, pixels: pixels) { table in
        for first in stride(from: 0, to: lattice.taps.count, by: tapsAtOnce) {
          let taps = lattice.taps[first..<min(first + tapsAtOnce, lattice.taps.count)]
          table.fill(convolution, lattice, lines, taps, zeros: zeros)
          for channel in stride(from: 0, to: convolution.sourceChannels, by: depth) {
            let channels = channel..<min(channel + depth, convolution.sourceChannels)
            pack(convolution, taps, channels, columns, into: panels)
            kernels.addProducts(
              rows: table.sources, offset: channel, rowCount: table.count, taps: taps.count, depth: channels.count,
              panels: panels, columns: columns.count, to: table.targets, at: columns.lowerBound)
          }
        }
      }
    }
  }

  /// Puts the weights of some taps, source channels and target channels in order.
  private func pack(
    _ convolution: DirectConvolution, _ taps: ArraySlice<PixelLattice.Tap>, _ channels: Range<Int>,
    _ columns: Range<Int>, into panels: Floats
  ) {
    let (inner, outer) = (convolution.sourceChannels, convolution.targetChannels)
    // One tap's panels lie as `packPanels` puts them; several taps' share each panel.
    let step = taps.count == 1 ? columns.count : kernels.tileColumns
    for column in stride(from: columns.lowerBound, to: columns.upperBound, by: step) {
      let count = min(step, columns.upperBound - column)
      var out = panels + (column - columns.lowerBound) * taps.count * channels.count
      for tap in taps {
        let weights = convolution.weights + tap.index * inner * outer
        if convolution.isTransposed {
          kernels.packPanels(
            weights + column * inner + channels.lowerBound, stride: inner, isTransposed: true, depth: channels.count,
            columns: count, into: out)
        } else {
          kernels.packPanels(
            weights + channels.lowerBound * outer + column, stride: outer, isTransposed: false, depth: channels.count,
            columns: count, into: out)
        }
        out += kernels.tileColumns * channels.count
      }
    }
  }

  /// Lends memory for the addresses of pixels.
  private func withPixelTable(taps: Int, pixels: Int, _ body: (inout PixelTable) -> Void) {
    let addresses = (taps + 1) * pixels
    withWorkspace(2 * addresses) { memory in
      let raw = UnsafeMutableRawPointer(memory)
      var table = PixelTable(
        sources: raw.bindMemory(to: ConstantFloats.self, capacity: taps * pixels),
        targets: (raw + 8 * taps * pixels).bindMemory(to: Floats.self, capacity: pixels))
      body(&table)
    }
  }
}

extension DirectConvolution {
  /// Gives pixels the values that products are added to.
  fileprivate func begin(_ lattice: PixelLattice, _ lines: Range<Int>, _ columns: Range<Int>) {
    for line in lines {
      var out = target + lattice.targetPixel(line: line) * targetChannels + columns.lowerBound
      for _ in 0..<lattice.width {
        if let bias {
          out.update(from: bias + columns.lowerBound, count: columns.count)
        } else {
          out.update(repeating: 0, count: columns.count)
        }
        out += lattice.target.step * targetChannels
      }
    }
  }
}

/// The addresses of the pixels that taps join.
private struct PixelTable {
  /// [taps, pixels].
  let sources: UnsafeMutablePointer<ConstantFloats>
  /// [pixels].
  let targets: UnsafeMutablePointer<Floats>
  private(set) var count = 0

  init(sources: UnsafeMutablePointer<ConstantFloats>, targets: UnsafeMutablePointer<Floats>) {
    (self.sources, self.targets) = (sources, targets)
  }

  /// Lists the pixels of lines. One tap alone leaves out the pixels for which it lies outside the source; several
  /// together take zeros there.
  mutating func fill(
    _ convolution: DirectConvolution, _ lattice: PixelLattice, _ lines: Range<Int>,
    _ taps: ArraySlice<PixelLattice.Tap>, zeros: Floats
  ) {
    let step = lattice.target.step * convolution.targetChannels
    let sourceStep = lattice.source.scale * convolution.sourceChannels
    let isComplete = taps.count > 1
    var next = sources
    for (index, tap) in taps.enumerated() {
      count = 0
      for line in lines {
        let (inside, sourcePixel) = lattice.inside(line: line, tap)
        let columns = isComplete ? 0..<lattice.width : inside
        if index == 0 {
          var to = convolution.target + lattice.targetPixel(line: line) * convolution.targetChannels
          to += columns.lowerBound * step
          for column in 0..<columns.count { targets[count + column] = to + column * step }
        }
        let from = convolution.source + sourcePixel * convolution.sourceChannels
        for column in columns.lowerBound..<inside.lowerBound where isComplete { next[column] = ConstantFloats(zeros) }
        let start = next + (isComplete ? inside.lowerBound : 0)
        for column in 0..<inside.count { start[column] = from + column * sourceStep }
        if isComplete {
          for column in inside.upperBound..<lattice.width { next[column] = ConstantFloats(zeros) }
        }
        next += columns.count
        count += columns.count
      }
    }
  }
}

/// How a convolution is cut into parts of some lines and some columns.
///
/// Each part packs its own weights, which costs as much as some rows of products. Among the ways to cut, the one that
/// is done first wins.
private struct ConvolutionGrid {
  private let lineParts: Int
  private let columnParts: Int
  private let columns: Int
  private let panel: Int

  struct Part {
    fileprivate let index: Int
    fileprivate let count: Int
    let columns: Range<Int>

    /// The part's share of `extent` lines.
    func cut(_ extent: Int) -> Range<Int> { extent * index / count..<extent * (index + 1) / count }
  }

  init(lines: Int, pixels: Int, columns: Int, panel: Int, depth: Int, threads: Int) {
    (self.columns, self.panel) = (columns, panel)
    let panels = (columns + panel - 1) / panel
    let widest = max(320 / panel, 1)
    let fewest = (rows: (pixels + 4095) / 4096, columns: (panels + widest - 1) / widest)
    // Below some hundred thousand multiplications, sharing costs more than it brings.
    let most = min(threads, max(pixels * columns * depth / (1 << 18), 1))
    var best = (rows: max(fewest.rows, 1), columns: max(fewest.columns, 1), cost: Int.max)
    for columnParts in best.columns...max(min(panels, best.columns * most), best.columns) {
      for rowParts in best.rows...max(min(lines, best.rows * most), best.rows) {
        let turns = (rowParts * columnParts + most - 1) / most
        let cost = turns * ((pixels + rowParts - 1) / rowParts + 24) * ((panels + columnParts - 1) / columnParts)
        if cost < best.cost { best = (rowParts, columnParts, cost) }
      }
    }
    (lineParts, self.columnParts) = (best.rows, best.columns)
  }

  var count: Int { lineParts * columnParts }

  func part(_ index: Int) -> Part {
    let (line, column) = index.quotientAndRemainder(dividingBy: columnParts)
    let panels = (columns + panel - 1) / panel
    return Part(
      index: line, count: lineParts,
      columns: panels * column / columnParts * panel..<min(panels * (column + 1) / columnParts * panel, columns))
  }
}
