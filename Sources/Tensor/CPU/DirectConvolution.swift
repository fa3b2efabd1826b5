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
  /// The source's channels that are multiplied at once.
  let channelBlocks: [Range<Int>]
  /// The taps that are multiplied at once: several where channels are few, so that a panel is worth its storing.
  let tapsAtOnce: Int

  /// The most elements of a block's depth: with 320 columns they fit in a second-level cache of 1 MiB.
  private static let mostDepth = 384

  /// A convolution of `x`.
  init(_ shapes: ConvolutionShapes, _ x: Floats, _ weights: Floats, bias: Floats?, into out: Floats) {
    self.init(
      [.forward(shapes)], from: x, shapes.inChannels, weights, isTransposed: false, bias: bias, into: out,
      shapes.outChannels, .overwrite)
  }

  /// The derivative of a convolution by its input.
  init(backward shapes: ConvolutionShapes, _ gradient: Floats, _ weights: Floats, into dx: Floats, _ write: Write) {
    self.init(
      PixelLattice.backward(shapes), from: gradient, shapes.outChannels, weights, isTransposed: true, bias: nil,
      into: dx, shapes.inChannels, write)
  }

  private init(
    _ lattices: [PixelLattice], from source: Floats, _ sourceChannels: Int, _ weights: Floats, isTransposed: Bool,
    bias: Floats?, into target: Floats, _ targetChannels: Int, _ write: Write
  ) {
    self.lattices = lattices
    (self.source, self.sourceChannels) = (ConstantFloats(source), sourceChannels)
    (self.target, self.targetChannels) = (target, targetChannels)
    (self.weights, self.isTransposed, self.bias, self.write) = (ConstantFloats(weights), isTransposed, bias, write)
    let most = DirectConvolution.mostDepth
    let blocks = max((sourceChannels + most - 1) / most, 1)
    let depth = max((sourceChannels + blocks - 1) / blocks, 1)
    channelBlocks = stride(from: 0, to: sourceChannels, by: depth).map { $0..<min($0 + depth, sourceChannels) }
    let taps = lattices.reduce(1) { max($0, $1.taps.count) }
    let groups = (taps + max(most / depth, 1) - 1) / max(most / depth, 1)
    tapsAtOnce = blocks == 1 ? (taps + groups - 1) / groups : 1
  }
}

extension CPUBackend {
  /// Computes a convolution, lattice by lattice.
  func run(_ convolution: DirectConvolution) {
    withWorkspace(convolution.sourceChannels) { zeros in
      zeros.update(repeating: 0, count: convolution.sourceChannels)
      for lattice in convolution.lattices where lattice.lineCount * lattice.width > 0 {
        if convolution.isSmallPicture(lattice) {
          runTransposed(convolution, lattice)
        } else {
          run(convolution, lattice, zeros)
        }
      }
    }
  }

  /// Shares the pixels of a lattice and their channels out over the threads. Each part puts its own weights in order.
  private func run(_ convolution: DirectConvolution, _ lattice: PixelLattice, _ zeros: Floats) {
    let grid = ProductGrid(
      m: lattice.lineCount * lattice.width, n: convolution.targetChannels,
      k: lattice.taps.count * convolution.sourceChannels, tileRows: lattice.width, tileColumns: kernels.tileColumns,
      threads: threadCount)
    // As many lines at once as keep their sums in a cache while the taps are added.
    let linesAtOnce = max(4096 / lattice.width, 1)
    threads.parallelFor(grid.count) { index in
      let (pixels, columns) = grid.part(index)
      let lines = pixels.lowerBound / lattice.width..<pixels.upperBound / lattice.width
      for first in stride(from: lines.lowerBound, to: lines.upperBound, by: linesAtOnce) {
        convolve(convolution, lattice, first..<min(first + linesAtOnce, lines.upperBound), columns, zeros)
      }
    }
  }

  /// The pixels of some lines and some of their channels.
  private func convolve(
    _ convolution: DirectConvolution, _ lattice: PixelLattice, _ lines: Range<Int>, _ columns: Range<Int>,
    _ zeros: Floats
  ) {
    if convolution.write == .overwrite { convolution.begin(lattice, lines, columns) }
    let tapsAtOnce = convolution.tapsAtOnce
    let depth = convolution.channelBlocks.first?.count ?? 0
    withWorkspace(kernels.wholeTiles(columns.count) * depth * tapsAtOnce) { panels in
      withPixelTable(taps: tapsAtOnce, pixels: lines.count * lattice.width) { table in
        for first in stride(from: 0, to: lattice.taps.count, by: tapsAtOnce) {
          let taps = lattice.taps[first..<min(first + tapsAtOnce, lattice.taps.count)]
          table.fill(convolution, lattice, lines, taps, zeros: zeros)
          for channels in convolution.channelBlocks {
            pack(convolution, taps, channels, columns, into: panels)
            kernels.addProducts(
              rows: table.sources, offset: channels.lowerBound, rowCount: table.count, taps: taps.count,
              depth: channels.count, panels: panels, columns: columns.count, to: table.targets,
              at: columns.lowerBound)
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
