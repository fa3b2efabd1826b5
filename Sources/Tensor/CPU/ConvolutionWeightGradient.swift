import CPUKernels

/// The derivative of a convolution by its weights: for each tap the product of the input's pixels, read where they lie,
/// and the gradient's, put in order once for all taps.
///
/// Pixels are taken in blocks: every element of the result is a sum of sums over blocks, in one order however the work
/// is shared out.
struct ConvolutionWeightGradient {
  let shapes: ConvolutionShapes
  let x: ConstantFloats
  let gradient: ConstantFloats
  let target: Floats
  let write: Write
  private let lattice: PixelLattice

  init(_ shapes: ConvolutionShapes, x: Floats, gradient: Floats, into target: Floats, _ write: Write) {
    self.shapes = shapes
    (self.x, self.gradient, self.target, self.write) = (ConstantFloats(x), ConstantFloats(gradient), target, write)
    lattice = .forward(shapes)
  }

  /// The pixels of a block: 320 columns of panels fit in a second-level cache of 1 MiB.
  var blockPixels: Int {
    let most = 384
    let blocks = max((shapes.outPixels + most - 1) / most, 1)
    return (shapes.outPixels + blocks - 1) / blocks
  }

  /// The addresses of the input's pixels that a tap joins with some of the output's.
  func list(_ pixels: Range<Int>, tap: Int, zeros: Floats, into addresses: UnsafeMutablePointer<ConstantFloats>) {
    var pixel = pixels.lowerBound
    while pixel < pixels.upperBound {
      let (line, column) = pixel.quotientAndRemainder(dividingBy: shapes.outWidth)
      let columns = column..<min(column + pixels.upperBound - pixel, shapes.outWidth)
      let (whole, first) = lattice.inside(line: line, lattice.taps[tap])
      let inside = whole.clamped(to: columns)
      let out = addresses + (pixel - pixels.lowerBound - column)
      for column in columns.lowerBound..<inside.lowerBound { out[column] = ConstantFloats(zeros) }
      let step = shapes.spec.stride * shapes.inChannels
      let from = x + first * shapes.inChannels
      for column in inside { out[column] = from + (column - whole.lowerBound) * step }
      for column in inside.upperBound..<columns.upperBound { out[column] = ConstantFloats(zeros) }
      pixel += columns.count
    }
  }
}

extension CPUBackend {
  /// Shares a derivative out over the threads, some thousand pixels after the others.
  func run(_ convolution: ConvolutionWeightGradient) {
    let shapes = convolution.shapes
    let block = convolution.blockPixels
    if block == 0 {
      let count = shapes.taps * shapes.inChannels * shapes.outChannels
      return convolution.write == .overwrite ? convolution.target.update(repeating: 0, count: count) : ()
    }
    let section = min(max(8192 / block, 1) * block, shapes.outPixels)
    withWorkspace(shapes.inChannels) { zeros in
      zeros.update(repeating: 0, count: shapes.inChannels)
      for first in stride(from: 0, to: shapes.outPixels, by: section) {
        let pixels = first..<min(first + section, shapes.outPixels)
        let blocks = PixelBlocks(pixels, block, columns: shapes.outChannels, panel: kernels.tileColumns)
        withWorkspace(pixels.count * blocks.panelWidth) { panels in
          withWorkspace(2 * pixels.count * shapes.taps) { memory in
            let addresses = UnsafeMutableRawPointer(memory).bindMemory(
              to: ConstantFloats.self, capacity: pixels.count * shapes.taps)
            prepare(convolution, blocks, zeros, panels, addresses)
            multiply(convolution, blocks, panels, addresses, first == 0 ? convolution.write : .accumulate)
          }
        }
      }
    }
  }

  /// Puts the gradient in order, and lists the input's pixels, [block, tap, pixel].
  private func prepare(
    _ convolution: ConvolutionWeightGradient, _ blocks: PixelBlocks, _ zeros: Floats, _ panels: Floats,
    _ addresses: UnsafeMutablePointer<ConstantFloats>
  ) {
    let shapes = convolution.shapes
    threads.parallelFor(blocks.count) { index in
      let pixels = blocks.pixels(index)
      kernels.packPanels(
        convolution.gradient + pixels.lowerBound * shapes.outChannels, stride: shapes.outChannels, isTransposed: false,
        depth: pixels.count, columns: shapes.outChannels, into: panels + blocks.start(index) * blocks.panelWidth)
      for tap in 0..<shapes.taps {
        convolution.list(
          pixels, tap: tap, zeros: zeros,
          into: addresses + blocks.start(index) * shapes.taps + tap * pixels.count)
      }
    }
  }

  /// Adds the products of all blocks.
  private func multiply(
    _ convolution: ConvolutionWeightGradient, _ blocks: PixelBlocks, _ panels: Floats,
    _ addresses: UnsafeMutablePointer<ConstantFloats>, _ write: Write
  ) {
    let shapes = convolution.shapes
    let (rowParts, columnParts) = parts(shapes)
    let rowUnits = (shapes.inChannels + kernels.tileRows - 1) / kernels.tileRows
    let columnUnits = (shapes.outChannels + kernels.tileColumns - 1) / kernels.tileColumns
    threads.parallelFor(shapes.taps * rowParts * columnParts) { part in
      let (tap, rest) = part.quotientAndRemainder(dividingBy: rowParts * columnParts)
      let rows = cut(shapes.inChannels, kernels.tileRows, rowUnits, rest / columnParts, rowParts)
      let columns = cut(shapes.outChannels, kernels.tileColumns, columnUnits, rest % columnParts, columnParts)
      let corner = (tap * shapes.inChannels + rows.lowerBound) * shapes.outChannels + columns.lowerBound
      for index in 0..<blocks.count {
        let pixels = blocks.pixels(index).count
        let start = blocks.start(index)
        kernels.multiply(
          columns: addresses + start * shapes.taps + tap * pixels, offset: rows.lowerBound, rowCount: rows.count,
          depth: pixels, panels: panels + start * blocks.panelWidth + columns.lowerBound * pixels,
          columns: columns.count, into: convolution.target + corner, stride: shapes.outChannels,
          index == 0 ? write : .accumulate)
      }
    }
  }

  /// How many parts a tap's products are cut into: some 96 rows and 320 columns, or less where that keeps threads busy.
  private func parts(_ shapes: ConvolutionShapes) -> (rows: Int, columns: Int) {
    let columns = (shapes.outChannels + 319) / 320
    let rows = (shapes.inChannels + 95) / 96
    return (rows, columns)
  }

  private func cut(_ extent: Int, _ unit: Int, _ units: Int, _ index: Int, _ parts: Int) -> Range<Int> {
    min(units * index / parts * unit, extent)..<min(units * (index + 1) / parts * unit, extent)
  }
}

/// The pixels of a section, in blocks.
private struct PixelBlocks {
  private let section: Range<Int>
  private let block: Int
  /// The columns of all panels.
  let panelWidth: Int

  init(_ section: Range<Int>, _ block: Int, columns: Int, panel: Int) {
    (self.section, self.block) = (section, block)
    panelWidth = (columns + panel - 1) / panel * panel
  }

  var count: Int { (section.count + block - 1) / block }

  /// The pixels of a block.
  func pixels(_ index: Int) -> Range<Int> {
    let first = section.lowerBound + start(index)
    return first..<min(first + block, section.upperBound)
  }

  /// The first pixel of a block, counted from the section's first.
  func start(_ index: Int) -> Int { index * block }
}
