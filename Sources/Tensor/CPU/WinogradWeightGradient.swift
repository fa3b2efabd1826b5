import CPUKernels

/// The derivative of a convolution of 3 x 3 with stride and padding 1 by its weights, by Winograd's algorithm, and the
/// blocks in which it is computed.
///
/// Each of the 16 products is a sum over all tiles. It is added up in runs of 128 tiles, whose totals are added one after
/// another, so that errors hardly grow with the size of the pictures. A thread takes a block of some channels of the
/// input and some of the output. Where the sums take less memory than all transformed tiles, they stay and the tiles are
/// transformed by and by; else all tiles are transformed first and the sums of a block never leave the cache.
struct WinogradWeightGradient {
  let tiles: WinogradTiles
  let inputs: Int
  let outputs: Int

  /// The input's channels whose transformed windows lie side by side: those that a product takes at once.
  let group: Int

  /// The derivative by weights [3, 3, in, out] between pictures of the size of `pictures`.
  init(_ pictures: Shape, weight: Shape, _ kernels: any KernelSet.Type) {
    tiles = WinogradTiles(pictures, .two)
    (inputs, outputs) = (weight[2], weight[3])
    group = kernels.tileRows
  }

  /// The tiles that are added up before their total is added to others.
  static var run: Int { 128 }

  /// The input's channels that a thread treats at once: equal parts of at most 108, in whole groups.
  var inputsPerBlock: Int {
    let blocks = (inputs + 107) / 108
    return ((inputs + group - 1) / group + blocks - 1) / blocks * group
  }

  /// The output's channels that a thread treats at once: equal parts of at most 160, or of 64 where there are few.
  var outputsPerBlock: Int {
    let limit = outputs > 160 ? 160 : 64
    let blocks = (outputs + limit - 1) / limit
    return ((outputs + blocks - 1) / blocks + 31) / 32 * 32
  }

  var inputBlocks: Int { (inputs + inputsPerBlock - 1) / inputsPerBlock }
  var outputBlocks: Int { (outputs + outputsPerBlock - 1) / outputsPerBlock }

  /// The distances between the 16 matrices of transformed windows and gradients of a run and of sums of a block, with
  /// two cache lines between them as those of a `WinogradConvolution`.
  var windowDistance: Int { WinogradWeightGradient.run * inputsPerBlock + 32 }
  var gradientDistance: Int { WinogradWeightGradient.run * outputsPerBlock + 32 }
  var sumDistance: Int { inputsPerBlock * outputsPerBlock + 32 }

  /// The numbers that windows and gradients of a run take, and the sums of a block.
  var windowsPerRun: Int { 16 * inputBlocks * windowDistance }
  var gradientsPerRun: Int { 16 * outputBlocks * gradientDistance }
  var sumsPerBlock: Int { 16 * sumDistance }

  /// The runs that are transformed at once: all, or 16 MiB of them.
  var runsAtOnce: Int {
    let runs = (tiles.count + WinogradWeightGradient.run - 1) / WinogradWeightGradient.run
    let perRun = windowsPerRun + gradientsPerRun
    if runs * perRun <= inputBlocks * outputBlocks * sumsPerBlock { return runs }
    return min(max((4 << 20) / perRun, 1), runs)
  }
}

extension CPUBackend {
  /// The derivative by the weights of a convolution of 3 x 3 with stride and padding 1.
  func winogradConvolutionBackwardWeight(_ x: Tensor, _ gradient: Tensor, into dw: Destination) {
    let name: StaticString = "convolutionBackwardWeight"
    let work = WinogradWeightGradient(x.shape, weight: dw.tensor.shape, kernels)
    let (x, gradient, target) = (x.host(name), gradient.host(name), dw.host(name))
    let tilesAtOnce = work.runsAtOnce * WinogradWeightGradient.run
    let keepsSums = tilesAtOnce < work.tiles.count
    let outside = max(work.inputs, work.outputs)
    let sumCount = keepsSums ? work.inputBlocks * work.outputBlocks * work.sumsPerBlock : 0
    withWorkspace(outside + sumCount + work.runsAtOnce * (work.windowsPerRun + work.gradientsPerRun)) { zeros in
      zeros.update(repeating: 0, count: outside)
      let sums = zeros + outside
      let windows = sums + sumCount
      let operands = WinogradOperands(windows: windows, gradients: windows + work.runsAtOnce * work.windowsPerRun)
      for first in stride(from: 0, to: work.tiles.count, by: tilesAtOnce) {
        let tiles = first..<min(first + tilesAtOnce, work.tiles.count)
        transform(tiles, of: x, gradient, outside: zeros, work, into: operands)
        threads.parallelFor(work.inputBlocks * work.outputBlocks) { index in
          let block = WinogradWeightBlock(index, of: work)
          if keepsSums {
            let sums = sums + index * work.sumsPerBlock
            addProducts(operands, tiles, block, work, into: sums)
            if tiles.upperBound == work.tiles.count { transform(sums, block, work, into: target, dw.write) }
          } else {
            withWorkspace(work.sumsPerBlock) { sums in
              addProducts(operands, tiles, block, work, into: sums)
              transform(sums, block, work, into: target, dw.write)
            }
          }
        }
      }
    }
  }

  /// Transforms windows [run, block, 16, group, tile, channel] and tiles of gradients [run, block, 16, panel, tile, channel].
  private func transform(
    _ tiles: Range<Int>, of x: Floats, _ gradient: Floats, outside: Floats, _ work: WinogradWeightGradient,
    into operands: WinogradOperands
  ) {
    let size = WinogradWeightGradient.run
    // Both transforms of a run are parts of their own.
    threads.parallelFor(2 * ((tiles.count + size - 1) / size)) { index in
      let run = index / 2
      let first = tiles.lowerBound + run * size
      let tilesOfRun = first..<min(first + size, tiles.upperBound)
      if index.isMultiple(of: 2) {
        let windows = operands.windows + run * work.windowsPerRun
        work.tiles.withWindows(of: tilesOfRun, in: x, channels: work.inputs, outside: outside) { pixels in
          for channel in stride(from: 0, to: work.inputs, by: work.group) {
            let (block, channelOfBlock) = channel.quotientAndRemainder(dividingBy: work.inputsPerBlock)
            kernels.transformWindows(
              .two, pixels, tiles: tilesOfRun.count, channel: channel, channels: min(work.group, work.inputs - channel),
              into: windows + 16 * block * work.windowDistance + channelOfBlock * size, pitch: work.group,
              distance: work.windowDistance)
          }
        }
      } else {
        let gradients = operands.gradients + run * work.gradientsPerRun
        work.tiles.withTiles(tilesOfRun, in: gradient, channels: work.outputs, outside: outside) { pixels in
          pixels.withMemoryRebound(to: ConstantFloats.self, capacity: 4 * tilesOfRun.count) { pixels in
            for block in 0..<work.outputBlocks {
              let channel = block * work.outputsPerBlock
              kernels.transformGradients(
                pixels, tiles: tilesOfRun.count, channel: channel,
                channels: min(work.outputsPerBlock, work.outputs - channel),
                into: gradients + 16 * block * work.gradientDistance, distance: work.gradientDistance)
            }
          }
        }
      }
    }
  }

  /// Adds the 16 products of the given tiles to the sums of a block, or begins the sums with the first tile of all.
  private func addProducts(
    _ operands: WinogradOperands, _ tiles: Range<Int>, _ block: WinogradWeightBlock, _ work: WinogradWeightGradient,
    into sums: Floats
  ) {
    let size = WinogradWeightGradient.run
    withUnsafeTemporaryAllocation(of: ConstantFloats.self, capacity: size) { rows in
      let windows = operands.windows + 16 * block.inputBlock * work.windowDistance
      let gradients = operands.gradients + 16 * block.outputBlock * work.gradientDistance
      for tile in 0..<size { rows[tile] = ConstantFloats(windows + tile * work.group) }
      guard let rows = rows.baseAddress else { return }
      for element in 0..<16 {
        for (run, first) in stride(from: tiles.lowerBound, to: tiles.upperBound, by: size).enumerated() {
          let windowsOfRun = run * work.windowsPerRun + element * work.windowDistance
          let panels = gradients + run * work.gradientsPerRun + element * work.gradientDistance
          for channel in stride(from: 0, to: block.inputs.count, by: work.group) {
            kernels.multiply(
              columns: rows, offset: windowsOfRun + channel * size,
              rowCount: min(work.group, block.inputs.count - channel), depth: min(size, tiles.upperBound - first),
              panels: panels, columns: block.outputs.count,
              into: sums + element * work.sumDistance + channel * block.outputs.count, stride: block.outputs.count,
              first == 0 ? .overwrite : .accumulate)
          }
        }
      }
    }
  }

  /// Transforms the sums of a block into derivatives.
  private func transform(
    _ sums: Floats, _ block: WinogradWeightBlock, _ work: WinogradWeightGradient, into dw: Floats, _ write: Write
  ) {
    kernels.transformWeightSums(
      sums, distance: work.sumDistance, rows: block.inputs.count, columns: block.outputs.count,
      into: dw + block.inputs.lowerBound * work.outputs + block.outputs.lowerBound,
      tapDistance: work.inputs * work.outputs, stride: work.outputs, write)
  }
}

/// Where transformed windows and gradients lie.
private struct WinogradOperands {
  let windows: Floats
  let gradients: Floats
}

/// A block of the weights.
private struct WinogradWeightBlock {
  let inputBlock: Int
  let outputBlock: Int
  let inputs: Range<Int>
  let outputs: Range<Int>

  /// One block after another; those of the same inputs come together.
  init(_ index: Int, of work: WinogradWeightGradient) {
    (inputBlock, outputBlock) = index.quotientAndRemainder(dividingBy: work.outputBlocks)
    let (input, output) = (inputBlock * work.inputsPerBlock, outputBlock * work.outputsPerBlock)
    inputs = input..<min(input + work.inputsPerBlock, work.inputs)
    outputs = output..<min(output + work.outputsPerBlock, work.outputs)
  }
}
