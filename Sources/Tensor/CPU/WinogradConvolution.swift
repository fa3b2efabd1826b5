import CPUKernels

/// A convolution of 3 x 3 with stride and padding 1 by Winograd's algorithm F(2 x 2, 3 x 3), or its derivative by the
/// input, and the blocks in which it is computed.
///
/// The windows of as many tiles as fit in the processor's cache are transformed at once. Then each thread takes blocks of
/// some tiles and some channels of the result: it transforms the weights that it needs, by parts of their depth, so that
/// they never leave its own cache, adds up the 16 products, and transforms the sums.
struct WinogradConvolution {
  let tiles: WinogradTiles
  /// The channels that are summed over.
  let depth: Int
  /// The channels of the result.
  let columns: Int
  /// Whether this is the derivative by the input, a convolution with the weights turned and transposed.
  let isTurned: Bool

  /// A convolution between pictures of the size of `pictures` by weights [3, 3, in, out].
  init(_ pictures: Shape, weight: Shape, isTurned: Bool) {
    tiles = WinogradTiles(pictures)
    depth = isTurned ? weight[3] : weight[2]
    columns = isTurned ? weight[2] : weight[3]
    self.isTurned = isTurned
  }

  /// The summed channels that are treated at once: equal parts of at most 128.
  var depthPerBlock: Int {
    let blocks = (depth + 127) / 128
    return ((depth + blocks - 1) / blocks + 15) / 16 * 16
  }

  var depthBlocks: Int { (depth + depthPerBlock - 1) / depthPerBlock }

  /// The tiles that a thread treats at once.
  var tilesPerBlock: Int { min(tiles.count, 96) }

  /// The channels of the result that a thread treats at once.
  var columnsPerBlock: Int { min((columns + 31) / 32 * 32, 64) }

  /// The tiles whose windows are transformed at once, a multiple of those of a block: 16 MiB of them.
  var tilesAtOnce: Int {
    let blocks = max((4 << 20) / (16 * depthBlocks * depthPerBlock * tilesPerBlock), 1)
    return min(blocks * tilesPerBlock, tiles.count)
  }

  /// The distance between the 16 matrices of transformed windows, of sums and of transformed weights. Two cache lines
  /// more than the matrices take, since 16 lines at a distance of a power of two would contend for the same place.
  var windowDistance: Int { tilesAtOnce * depthPerBlock + 32 }
  var sumDistance: Int { tilesPerBlock * columnsPerBlock + 32 }
  var weightDistance: Int { depthPerBlock * columnsPerBlock + 32 }
}

extension WinogradConvolution {
  /// Whether a convolution of pictures of this shape by weights [height, width, in, out] is computed so: by extents
  /// alone, where it was measured to be faster than a direct sum.
  static func suits(_ pictures: Shape, weight: Shape, _ spec: Convolution2D) -> Bool {
    weight[0] == 3 && weight[1] == 3 && spec == Convolution2D(stride: 1, padding: .all(1))
      && min(weight[2], weight[3]) >= 32 && pictures[0] * pictures[1] * pictures[2] >= 128
  }
}

extension CPUBackend {
  /// A convolution of 3 x 3 with stride and padding 1.
  func winogradConvolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, into out: Tensor) {
    let name: StaticString = "convolution"
    convolve(
      x.host(name), weight.host(name), WinogradConvolution(x.shape, weight: weight.shape, isTurned: false),
      bias: bias?.host(name), into: out.host(name), .overwrite)
  }

  /// Its derivative by the input.
  func winogradConvolutionBackwardInput(_ gradient: Tensor, _ weight: Tensor, into dx: Destination) {
    let name: StaticString = "convolutionBackwardInput"
    convolve(
      gradient.host(name), weight.host(name),
      WinogradConvolution(gradient.shape, weight: weight.shape, isTurned: true), bias: nil, into: dx.host(name),
      dx.write)
  }

  /// Computes the convolution of `x`, plus `bias`, into `out`.
  private func convolve(
    _ x: Floats, _ weight: Floats, _ convolution: WinogradConvolution, bias: Floats?, into out: Floats, _ write: Write
  ) {
    let count = convolution.tiles.count
    withWorkspace(convolution.depth) { zeros in
      zeros.update(repeating: 0, count: convolution.depth)
      withWorkspace(16 * convolution.depthBlocks * convolution.windowDistance) { windows in
        for first in stride(from: 0, to: count, by: convolution.tilesAtOnce) {
          let tiles = first..<min(first + convolution.tilesAtOnce, count)
          transformWindows(of: tiles, in: x, outside: zeros, convolution, into: windows)
          forEachBlock(of: tiles, convolution) { block, columns in
            let sums = WinogradSums(
              tiles: block, windows: windows + (block.lowerBound - first) * convolution.depthPerBlock)
            multiply(sums, weight, columns, convolution, bias: bias, into: out, write)
          }
        }
      }
    }
  }

  /// Transforms the windows of some tiles: [depth block, 16, tile, channel].
  private func transformWindows(
    of tiles: Range<Int>, in x: Floats, outside: Floats, _ convolution: WinogradConvolution, into windows: Floats
  ) {
    let (depth, pitch, distance) = (convolution.depth, convolution.depthPerBlock, convolution.windowDistance)
    forEachChunk(tiles.count, of: 16) { chunk in
      let chunkTiles = (tiles.lowerBound + chunk.lowerBound)..<(tiles.lowerBound + chunk.upperBound)
      convolution.tiles.withWindows(of: chunkTiles, in: x, channels: depth, outside: outside) { pixels in
        for block in 0..<convolution.depthBlocks {
          kernels.transformWindows(
            pixels, tiles: chunk.count, channel: block * pitch, channels: min(pitch, depth - block * pitch),
            into: windows + 16 * block * distance + chunk.lowerBound * pitch, pitch: pitch, distance: distance)
        }
      }
    }
  }

  /// Shares out the blocks of the result. Blocks of the same columns, which need the same weights, come one after another.
  private func forEachBlock(
    of tiles: Range<Int>, _ convolution: WinogradConvolution,
    _ body: (_ tiles: Range<Int>, _ columns: Range<Int>) -> Void
  ) {
    let tileBlocks = (tiles.count + convolution.tilesPerBlock - 1) / convolution.tilesPerBlock
    let columnBlocks = (convolution.columns + convolution.columnsPerBlock - 1) / convolution.columnsPerBlock
    threads.parallelFor(tileBlocks * columnBlocks) { index in
      let firstTile = tiles.lowerBound + index % tileBlocks * convolution.tilesPerBlock
      let firstColumn = index / tileBlocks * convolution.columnsPerBlock
      body(
        firstTile..<min(firstTile + convolution.tilesPerBlock, tiles.upperBound),
        firstColumn..<min(firstColumn + convolution.columnsPerBlock, convolution.columns))
    }
  }

  /// Computes one block of the result.
  private func multiply(
    _ block: WinogradSums, _ weight: Floats, _ columns: Range<Int>, _ convolution: WinogradConvolution, bias: Floats?,
    into out: Floats, _ write: Write
  ) {
    let (depth, pitch) = (convolution.depth, convolution.depthPerBlock)
    let (inputs, outputs) = convolution.isTurned ? (convolution.columns, depth) : (depth, convolution.columns)
    withWorkspace(16 * (convolution.sumDistance + convolution.weightDistance)) { sums in
      let panels = sums + 16 * convolution.sumDistance
      block.withRows(pitch: pitch) { rows in
        for part in 0..<convolution.depthBlocks {
          let (firstDepth, partDepth) = (part * pitch, min(pitch, depth - part * pitch))
          let firstWeight =
            convolution.isTurned
            ? columns.lowerBound * outputs + firstDepth : firstDepth * outputs + columns.lowerBound
          kernels.transformWeights(
            weight + firstWeight, tapDistance: inputs * outputs, stride: outputs, isTurned: convolution.isTurned,
            depth: partDepth, columns: columns.count, into: panels, distance: convolution.weightDistance)
          for element in 0..<16 {
            kernels.multiply(
              rows: rows, offset: (16 * part + element) * convolution.windowDistance, rowCount: block.tiles.count,
              taps: 1, depth: partDepth, panels: panels + element * convolution.weightDistance,
              columns: columns.count, into: sums + element * convolution.sumDistance,
              stride: convolution.columnsPerBlock, bias: nil, part == 0 ? .overwrite : .accumulate)
          }
        }
      }
      let target = out + columns.lowerBound
      convolution.tiles.withTiles(block.tiles, in: target, channels: convolution.columns, outside: panels) { pixels in
        kernels.transformSums(
          sums, pitch: convolution.columnsPerBlock, distance: convolution.sumDistance, tiles: block.tiles.count,
          channels: columns.count, into: pixels, bias: bias.map { ConstantFloats($0 + columns.lowerBound) }, write)
      }
    }
  }
}

/// Some tiles and where their transformed windows begin.
private struct WinogradSums {
  let tiles: Range<Int>
  let windows: Floats

  /// Lends the addresses of the tiles' rows.
  func withRows(pitch: Int, _ body: (RowPointers) -> Void) {
    withUnsafeTemporaryAllocation(of: ConstantFloats.self, capacity: tiles.count) { rows in
      for index in 0..<tiles.count { rows[index] = ConstantFloats(windows + index * pitch) }
      if let rows = rows.baseAddress { body(rows) }
    }
  }
}
