import CPUKernels

/// The derivative of a convolution by an input of fewer pixels than channels.
///
/// Its weights are the larger operand by far. They are read once, where they lie, as the rows of the product
/// [channels, pixels]; the gradient's pixels are put in order for each tap, and the result is transposed.
extension DirectConvolution {
  /// The most pixels of a lattice for which the weights stay where they lie: 320 channels of them fit in a second-level
  /// cache of 1 MiB.
  private static let mostPixels = 256

  /// Whether the weights are to stay where they lie.
  func isSmallPicture(_ lattice: PixelLattice) -> Bool {
    let pixels = lattice.lineCount * lattice.width
    return isTransposed && bias == nil && pixels <= DirectConvolution.mostPixels && 2 * pixels <= targetChannels
  }
}

extension CPUBackend {
  /// Computes the pixels of one lattice.
  func runTransposed(_ convolution: DirectConvolution, _ lattice: PixelLattice) {
    let pixels = lattice.lineCount * lattice.width
    let width = kernels.wholeTiles(pixels)
    withWorkspace(lattice.taps.count * width * convolution.sourceChannels) { panels in
      threads.parallelFor(lattice.taps.count) { packPixels(convolution, lattice, tap: $0, into: panels) }
      let rowsPerPart = 8 * kernels.tileRows
      threads.parallelFor((convolution.targetChannels + rowsPerPart - 1) / rowsPerPart) { part in
        let first = part * rowsPerPart
        let rows = first..<min(first + rowsPerPart, convolution.targetChannels)
        withWorkspace(rows.count * (width + 2)) { memory in
          let addresses = UnsafeMutableRawPointer(memory + rows.count * width)
            .bindMemory(to: ConstantFloats.self, capacity: rows.count)
          multiply(convolution, lattice, rows, panels, addresses, into: memory)
          deliver(convolution, lattice, rows, memory)
        }
      }
    }
  }

  /// Puts the pixels that a tap takes in order, [block of channels, panel, channel, pixel].
  private func packPixels(_ convolution: DirectConvolution, _ lattice: PixelLattice, tap: Int, into panels: Floats) {
    let channels = convolution.sourceChannels
    let pixels = lattice.lineCount * lattice.width
    let width = kernels.wholeTiles(pixels)
    withWorkspace(pixels * channels) { rows in
      for line in 0..<lattice.lineCount {
        let (inside, pixel) = lattice.inside(line: line, lattice.taps[tap])
        let out = rows + line * lattice.width * channels
        out.update(repeating: 0, count: inside.lowerBound * channels)
        (out + inside.lowerBound * channels).update(
          from: convolution.source + pixel * channels, count: inside.count * channels)
        (out + inside.upperBound * channels).update(
          repeating: 0, count: (lattice.width - inside.upperBound) * channels)
      }
      for block in convolution.channelBlocks {
        kernels.packPanels(
          rows + block.lowerBound, stride: channels, isTransposed: true, depth: block.count, columns: pixels,
          into: panels + (tap * channels + block.lowerBound) * width)
      }
    }
  }

  /// Multiplies the weights of some target channels with all pixels, [channels, pixels].
  private func multiply(
    _ convolution: DirectConvolution, _ lattice: PixelLattice, _ rows: Range<Int>, _ panels: Floats,
    _ addresses: UnsafeMutablePointer<ConstantFloats>, into out: Floats
  ) {
    let channels = convolution.sourceChannels
    let pixels = lattice.lineCount * lattice.width
    let width = kernels.wholeTiles(pixels)
    if lattice.taps.isEmpty { out.update(repeating: 0, count: rows.count * width) }
    for (index, tap) in lattice.taps.enumerated() {
      let weights = convolution.weights + (tap.index * convolution.targetChannels + rows.lowerBound) * channels
      for row in 0..<rows.count { addresses[row] = weights + row * channels }
      for block in convolution.channelBlocks {
        kernels.multiply(
          rows: addresses, offset: block.lowerBound, rowCount: rows.count, depth: block.count,
          panels: panels + (index * channels + block.lowerBound) * width, columns: pixels, into: out, stride: width,
          bias: nil, index == 0 && block.lowerBound == 0 ? .overwrite : .accumulate)
      }
    }
  }

  /// Writes the products of some channels to the target's pixels.
  private func deliver(
    _ convolution: DirectConvolution, _ lattice: PixelLattice, _ rows: Range<Int>, _ products: Floats
  ) {
    let width = kernels.wholeTiles(lattice.lineCount * lattice.width)
    let isWhole = lattice.target.step == 1
    for line in 0..<(isWhole ? 1 : lattice.lineCount) {
      kernels.transpose(
        products + line * lattice.width, stride: width, rows: rows.count,
        columns: isWhole ? lattice.lineCount * lattice.width : lattice.width,
        into: convolution.target + lattice.targetPixel(line: line) * convolution.targetChannels + rows.lowerBound,
        stride: lattice.target.step * convolution.targetChannels, bias: nil, convolution.write)
    }
  }
}
