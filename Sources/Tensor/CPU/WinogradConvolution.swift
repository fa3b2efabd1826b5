import CPUKernels

/// A convolution of 3 x 3 with stride and padding 1 by Winograd's algorithm, or its derivative by the input, and the
/// blocks in which it is computed.
///
/// The windows of as many tiles as fit in the processor's caches are transformed at once. Then each thread takes blocks
/// of some tiles and some channels of the result, adds up the products of each element, and transforms the sums. Weights are
/// transformed once for all tiles or, where few tiles need them, by the thread that needs them, so that they are read
/// once, while it multiplies, and never leave its cache.
struct WinogradConvolution {
  let tiles: WinogradTiles
  /// The channels that are summed over.
  let depth: Int
  /// The channels of the result.
  let columns: Int
  /// Whether this is the derivative by the input, a convolution with the weights turned and transposed.
  let isTurned: Bool

  /// A convolution between pictures of the size of `pictures` by weights [3, 3, in, out].
  ///
  /// - Parameter isFast: whether tiles of 4 x 4 pixels may be used, where there are enough of them to pay for the weights,
  ///   of which each transforms into 36 numbers.
  init(_ pictures: Shape, weight: Shape, isTurned: Bool, isFast: Bool) {
    let large = WinogradTiles(pictures, .four)
    tiles = isFast && large.count >= 12 ? large : WinogradTiles(pictures, .two)
    depth = isTurned ? weight[3] : weight[2]
    columns = isTurned ? weight[2] : weight[3]
    self.isTurned = isTurned
  }

  /// The elements of a window, each with products of its own.
  var elements: Int { tiles.size.elements }

  /// Whether there are so many tiles that weights are transformed once for all of them.
  var sharesWeights: Bool { tiles.count > 128 }

  /// The tiles that a thread treats at once. With the weights that it transforms and the sums they fit in its cache.
  var tilesPerBlock: Int {
    switch tiles.size {
    case _ where sharesWeights: 96
    case .two: tiles.count
    case .four: min(tiles.count, 64)
    }
  }

  /// The channels of the result that a thread treats at once.
  var columnsPerBlock: Int { tiles.size == .two && !sharesWeights ? 64 : 32 }
  var columnBlocks: Int { (columns + columnsPerBlock - 1) / columnsPerBlock }

  /// The summed channels that are treated at once: equal parts of at most 320, or of fewer where a thread's second cache
  /// also holds the weights that it transforms next.
  var depthPerBlock: Int {
    let most = sharesWeights ? 320 : tiles.size == .two ? 160 : 96
    let blocks = (depth + most - 1) / most
    return ((depth + blocks - 1) / blocks + 15) / 16 * 16
  }
  var depthBlocks: Int { (depth + depthPerBlock - 1) / depthPerBlock }

  /// The tiles whose windows are transformed at once: 8 MiB of them, in whole blocks.
  var tilesAtOnce: Int {
    let blocks = max((2 << 20) / (elements * depthBlocks * depthPerBlock * tilesPerBlock), 1)
    return min(blocks * tilesPerBlock, tiles.count)
  }

  /// The distance between matrices of transformed windows, of transformed weights and of sums. Two cache lines more
  /// than the matrices take, since lines at a distance of a power of two would contend for the same place.
  var windowDistance: Int { tilesAtOnce * depthPerBlock + 32 }
  var weightDistance: Int { depthPerBlock * columnsPerBlock + 32 }
  var sumDistance: Int { tilesPerBlock * columnsPerBlock + 32 }

  /// The numbers that all transformed weights take.
  var weightCount: Int { elements * columnBlocks * depthBlocks * weightDistance }

  /// The columns of a block.
  func columns(ofBlock block: Int) -> Range<Int> {
    block * columnsPerBlock..<min((block + 1) * columnsPerBlock, columns)
  }
}

extension WinogradConvolution {
  /// Whether a convolution of pictures of this shape by weights [height, width, in, out] is computed so: by extents
  /// alone, where it was measured to be faster than a direct sum.
  static func suits(_ pictures: Shape, weight: Shape, _ spec: Convolution2D) -> Bool {
    weight[0] == 3 && weight[1] == 3 && spec == Convolution2D(stride: 1, padding: .all(1))
      && min(weight[2], weight[3]) >= 32 && pictures[0] * pictures[1] * pictures[2] >= 64
  }
}

extension CPUBackend {
  /// A convolution of 3 x 3 with stride and padding 1.
  func winogradConvolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, into out: Tensor) {
    let name: StaticString = "convolution"
    convolve(
      x.host(name), weight.host(name),
      WinogradConvolution(x.shape, weight: weight.shape, isTurned: false, isFast: fastConvolution),
      bias: bias?.host(name), into: out.host(name), .overwrite)
  }

  /// Its derivative by the input.
  func winogradConvolutionBackwardInput(_ gradient: Tensor, _ weight: Tensor, into dx: Destination) {
    let name: StaticString = "convolutionBackwardInput"
    convolve(
      gradient.host(name), weight.host(name),
      WinogradConvolution(gradient.shape, weight: weight.shape, isTurned: true, isFast: fastConvolution),
      bias: nil, into: dx.host(name), dx.write)
  }

  /// Computes the convolution of `x`, plus `bias`, into `out`.
  private func convolve(
    _ x: Floats, _ weight: Floats, _ convolution: WinogradConvolution, bias: Floats?, into out: Floats, _ write: Write
  ) {
    let (depth, count) = (convolution.depth, convolution.tiles.count)
    let windowCount = convolution.elements * convolution.depthBlocks * convolution.windowDistance
    withWorkspace(depth + windowCount + (convolution.sharesWeights ? convolution.weightCount : 0)) { outside in
      outside.update(repeating: 0, count: depth)
      let windows = outside + depth
      let shared = convolution.sharesWeights ? windows + windowCount : nil
      if let shared { transform(weight, convolution, into: shared) }
      for first in stride(from: 0, to: count, by: convolution.tilesAtOnce) {
        let tiles = first..<min(first + convolution.tilesAtOnce, count)
        transformWindows(of: tiles, in: x, outside: outside, convolution, into: windows)
        let tileBlocks = (tiles.count + convolution.tilesPerBlock - 1) / convolution.tilesPerBlock
        // The blocks of the same tiles come one after another, since their windows take more memory than weights.
        threads.parallelFor(tileBlocks * convolution.columnBlocks) { index in
          let (tileBlock, columnBlock) = index.quotientAndRemainder(dividingBy: convolution.columnBlocks)
          let firstOfBlock = tileBlock * convolution.tilesPerBlock
          let block = WinogradBlock(
            tiles: first + firstOfBlock..<min(first + firstOfBlock + convolution.tilesPerBlock, tiles.upperBound),
            columnBlock: columnBlock, windows: windows + firstOfBlock * convolution.depthPerBlock)
          multiply(block, weight, shared: shared, convolution, bias: bias, into: out, write)
        }
      }
    }
  }

  /// Transforms the windows of some tiles: [depth block, element, tile, channel].
  private func transformWindows(
    of tiles: Range<Int>, in x: Floats, outside: Floats, _ convolution: WinogradConvolution, into windows: Floats
  ) {
    let (depth, pitch, distance) = (convolution.depth, convolution.depthPerBlock, convolution.windowDistance)
    forEachChunk(tiles.count, of: 16) { chunk in
      let chunkTiles = (tiles.lowerBound + chunk.lowerBound)..<(tiles.lowerBound + chunk.upperBound)
      convolution.tiles.withWindows(of: chunkTiles, in: x, channels: depth, outside: outside) { pixels in
        for block in 0..<convolution.depthBlocks {
          kernels.transformWindows(
            convolution.tiles.size, pixels, tiles: chunk.count, channel: block * pitch,
            channels: min(pitch, depth - block * pitch),
            into: windows + convolution.elements * block * distance + chunk.lowerBound * pitch, pitch: pitch,
            distance: distance)
        }
      }
    }
  }

  /// Transforms all weights: [column block, depth block, element, panel, depth, column].
  private func transform(_ weight: Floats, _ convolution: WinogradConvolution, into panels: Floats) {
    threads.parallelFor(convolution.columnBlocks * convolution.depthBlocks) { index in
      let (columnBlock, part) = index.quotientAndRemainder(dividingBy: convolution.depthBlocks)
      transform(
        weight, columnBlock, part, convolution, into: panels + convolution.elements * index * convolution.weightDistance
      )
    }
  }

  /// Transforms the weights of some columns and a part of the depth.
  private func transform(
    _ weight: Floats, _ columnBlock: Int, _ part: Int, _ convolution: WinogradConvolution, into panels: Floats
  ) {
    let columns = convolution.columns(ofBlock: columnBlock)
    let firstDepth = part * convolution.depthPerBlock
    // Rows of the weights are input channels: the depth, or the columns of the derivative by the input.
    let outputs = convolution.isTurned ? convolution.depth : convolution.columns
    let (row, column) = convolution.isTurned ? (columns.lowerBound, firstDepth) : (firstDepth, columns.lowerBound)
    kernels.transformWeights(
      convolution.tiles.size, weight + row * outputs + column, tapDistance: convolution.depth * convolution.columns,
      stride: outputs,
      isTurned: convolution.isTurned, depth: min(convolution.depthPerBlock, convolution.depth - firstDepth),
      columns: columns.count, into: panels, distance: convolution.weightDistance)
  }

  /// The weights that are transformed for some columns and a part of the depth, if there is one, tap by tap.
  private func weights(
    of tap: Int, _ columnBlock: Int, _ part: Int, _ weight: Floats, _ convolution: WinogradConvolution
  ) -> UpcomingRows {
    if tap >= 9 || part == convolution.depthBlocks { return .none }
    let columns = convolution.columns(ofBlock: columnBlock)
    let first = part * convolution.depthPerBlock
    let depth = first..<min(first + convolution.depthPerBlock, convolution.depth)
    let (rows, numbers) = convolution.isTurned ? (columns, depth) : (depth, columns)
    let stride = convolution.isTurned ? convolution.depth : convolution.columns
    let start = weight + tap * convolution.depth * convolution.columns + rows.lowerBound * stride + numbers.lowerBound
    return UpcomingRows(start, stride: stride, count: rows.count, length: numbers.count)
  }

  /// Computes one block of the result.
  private func multiply(
    _ block: WinogradBlock, _ weight: Floats, shared: Floats?, _ convolution: WinogradConvolution, bias: Floats?,
    into out: Floats, _ write: Write
  ) {
    let (depth, pitch, tileCount) = (convolution.depth, convolution.depthPerBlock, block.tiles.count)
    let (weightDistance, sumDistance) = (convolution.weightDistance, convolution.sumDistance)
    let columns = convolution.columns(ofBlock: block.columnBlock)
    withWorkspace(convolution.elements * (sumDistance + (shared == nil ? weightDistance : 0)) + columns.count) { sums in
      let outside = sums + convolution.elements * sumDistance
      let own = outside + columns.count
      block.withRows(pitch: pitch) { rows in
        for part in 0..<convolution.depthBlocks {
          let index = block.columnBlock * convolution.depthBlocks + part
          let panels = shared.map { $0 + convolution.elements * index * weightDistance } ?? own
          if shared == nil { transform(weight, block.columnBlock, part, convolution, into: own) }
          for element in 0..<convolution.elements {
            kernels.multiply(
              rows: rows, offset: (convolution.elements * part + element) * convolution.windowDistance,
              rowCount: tileCount,
              depth: min(pitch, depth - part * pitch), panels: panels + element * weightDistance,
              columns: columns.count, into: sums + element * sumDistance, stride: convolution.columnsPerBlock,
              bias: nil, part == 0 ? .overwrite : .accumulate,
              before: shared == nil ? weights(of: element, block.columnBlock, part + 1, weight, convolution) : .none)
          }
        }
      }
      let target = out + columns.lowerBound
      convolution.tiles.withTiles(block.tiles, in: target, channels: convolution.columns, outside: outside) { pixels in
        kernels.transformSums(
          convolution.tiles.size, sums, pitch: convolution.columnsPerBlock, distance: sumDistance, tiles: tileCount,
          channels: columns.count,
          into: pixels, bias: bias.map { ConstantFloats($0 + columns.lowerBound) }, write)
      }
    }
  }
}

/// Some tiles, some columns, and where the tiles' transformed windows begin.
private struct WinogradBlock {
  let tiles: Range<Int>
  let columnBlock: Int
  let windows: Floats

  /// Lends the addresses of the tiles' rows.
  func withRows(pitch: Int, _ body: (RowPointers) -> Void) {
    withUnsafeTemporaryAllocation(of: ConstantFloats.self, capacity: tiles.count) { rows in
      for index in 0..<tiles.count { rows[index] = ConstantFloats(windows + index * pitch) }
      if let rows = rows.baseAddress { body(rows) }
    }
  }
}
