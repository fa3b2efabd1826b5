extension CPUBackend {
  /// Cross-correlation, as PyTorch's conv2d, plus `bias` [out channels].
  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {
    if WinogradConvolution.suits(x.shape, weight: weight.shape, spec) {
      return winogradConvolution(x, weight, bias: bias, into: out)
    }
    let name: StaticString = "convolution"
    let (x, weight, bias, target, geometry, outChannels) = (
      x.host(name), weight.host(name), bias?.host(name), out.host(name),
      ImageColumns(x: x.shape, weight: weight.shape, out: out.shape, spec), weight.shape[3]
    )
    forEachTile(geometry) { tile, workspace in
      let columns = unfold(x, geometry, tile, into: workspace)
      let firstPixel = tile.lowerBound * geometry.outWidth
      let product = MatrixProduct(
        m: tile.count * geometry.outWidth, n: outChannels, k: geometry.windowCount)
      matrixProduct(columns, weight, product, bias: bias, into: target + firstPixel * outChannels, .overwrite)
    }
  }

  /// The derivative by the input.
  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {
    if WinogradConvolution.suits(dx.tensor.shape, weight: weight.shape, spec) {
      return winogradConvolutionBackwardInput(gradient, weight, into: dx)
    }
    let name: StaticString = "convolutionBackwardInput"
    let geometry = ImageColumns(x: dx.tensor.shape, weight: weight.shape, out: gradient.shape, spec)
    let outChannels = weight.shape[3]
    let (gradient, weight, target) = (gradient.host(name), weight.host(name), dx.host(name))
    if !geometry.isPixelwise && dx.write == .overwrite { fill(0, into: dx.tensor) }
    forEachTile(geometry) { tile, workspace in
      let firstPixel = tile.lowerBound * geometry.outWidth
      let product = MatrixProduct(
        m: tile.count * geometry.outWidth, n: geometry.windowCount, k: outChannels, transposeB: true)
      guard let columns = workspace else {
        let pixels = target + firstPixel * geometry.channels
        return matrixProduct(gradient + firstPixel * outChannels, weight, product, into: pixels, dx.write)
      }
      matrixProduct(gradient + firstPixel * outChannels, weight, product, into: columns, .overwrite)
      let rows = geometry.rowsSeen(by: tile)
      threads.parallelFor(rows.count) {
        geometry.fold(columns, tile: tile, row: rows.lowerBound + $0, into: target)
      }
    }
  }

  /// The derivative by the weights.
  public func convolutionBackwardWeight(
    _ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination
  ) {
    if WinogradConvolution.suits(x.shape, weight: dw.tensor.shape, spec) {
      return winogradConvolutionBackwardWeight(x, gradient, into: dw)
    }
    let name: StaticString = "convolutionBackwardWeight"
    let geometry = ImageColumns(x: x.shape, weight: dw.tensor.shape, out: gradient.shape, spec)
    let outChannels = dw.tensor.shape[3]
    let (x, gradient, target) = (x.host(name), gradient.host(name), dw.host(name))
    if geometry.rowCount == 0 && dw.write == .overwrite { fill(0, into: dw.tensor) }
    forEachTile(geometry) { tile, workspace in
      let columns = unfold(x, geometry, tile, into: workspace)
      let firstPixel = tile.lowerBound * geometry.outWidth
      let product = MatrixProduct(
        m: geometry.windowCount, n: outChannels, k: tile.count * geometry.outWidth, transposeA: true)
      matrixProduct(
        columns, gradient + firstPixel * outChannels, product, into: target,
        tile.lowerBound == 0 ? dw.write : .accumulate)
    }
  }

  /// Visits the rows of output pixels in tiles, with memory for the columns of one tile unless none is needed.
  private func forEachTile(_ geometry: ImageColumns, _ body: (Range<Int>, Floats?) -> Void) {
    if geometry.isPixelwise { return body(0..<geometry.rowCount, nil) }
    let rows = geometry.rowsPerTile
    withWorkspace(rows * geometry.outWidth * geometry.windowCount) { columns in
      for first in stride(from: 0, to: geometry.rowCount, by: rows) {
        body(first..<min(first + rows, geometry.rowCount), columns)
      }
    }
  }

  /// The column matrix of a tile: built in the workspace, or the pictures themselves.
  private func unfold(_ x: Floats, _ geometry: ImageColumns, _ tile: Range<Int>, into workspace: Floats?) -> Floats {
    guard let workspace else { return x + tile.lowerBound * geometry.width * geometry.channels }
    let rowElements = geometry.outWidth * geometry.windowCount
    forEachChunk(tile.count, of: CPUBackend.rowsPerChunk(rowElements)) { rows in
      for row in rows {
        geometry.unfold(row: tile.lowerBound + row, of: x, into: workspace + row * rowElements)
      }
    }
    return workspace
  }
}
