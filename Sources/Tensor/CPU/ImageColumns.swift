/// The geometry that turns a convolution into a matrix product: the row of output pixel (y, x) of the column matrix
/// holds the window it sees, [kernel height, kernel width, channels], zeros where the window leaves the picture.
///
/// In [batch, height, width, channels] each row of a window is one contiguous stretch of the picture, so building and
/// folding the matrix move whole stretches.
struct ImageColumns {
  let batch: Int
  let height: Int
  let width: Int
  let channels: Int
  let kernelHeight: Int
  let kernelWidth: Int
  let outHeight: Int
  let outWidth: Int
  let spec: Convolution2D

  /// The geometry of a convolution of `x` by `weight` [height, width, in, out] that yields `out`.
  init(x: Shape, weight: Shape, out: Shape, _ spec: Convolution2D) {
    (batch, height, width, channels) = (x[0], x[1], x[2], x[3])
    (kernelHeight, kernelWidth) = (weight[0], weight[1])
    (outHeight, outWidth) = (out[1], out[2])
    self.spec = spec
  }

  /// The elements of one window.
  var windowCount: Int { kernelHeight * kernelWidth * channels }

  /// The number of rows of output pixels in the whole batch.
  var rowCount: Int { batch * outHeight }

  /// Whether every window is one pixel, so that the picture is its own column matrix.
  var isPixelwise: Bool { kernelHeight == 1 && kernelWidth == 1 && spec == Convolution2D() }

  /// How many rows of output pixels are treated at once, so that their columns take at most 32 MiB.
  var rowsPerTile: Int {
    let rows = (8 << 20) / max(outWidth * windowCount, 1)
    return min(max(rows, 1), max(rowCount, 1))
  }

  /// Writes the windows of one row of output pixels.
  func unfold(row: Int, of x: Floats, into columns: Floats) {
    let (picture, outY) = row.quotientAndRemainder(dividingBy: outHeight)
    let stretch = kernelWidth * channels
    for outX in 0..<outWidth {
      let (source, target) = clip(outX)
      for kernelY in 0..<kernelHeight {
        let y = outY * spec.stride + kernelY - spec.padding.top
        let out = columns + outX * windowCount + kernelY * stretch
        guard y >= 0 && y < height else {
          out.update(repeating: 0, count: stretch)
          continue
        }
        let from = x + (picture * height + y) * width * channels + source
        if target.lowerBound > 0 { out.update(repeating: 0, count: target.lowerBound) }
        (out + target.lowerBound).update(from: from, count: target.count)
        if target.upperBound < stretch {
          (out + target.upperBound).update(repeating: 0, count: stretch - target.upperBound)
        }
      }
    }
  }

  /// Adds to one row of the picture whatever the columns of output rows `tile` hold for it.
  ///
  /// Each picture row collects its own sums, in a fixed order, so rows can be folded in parallel.
  func fold(_ columns: Floats, tile: Range<Int>, row: Int, into dx: Floats) {
    let (picture, y) = row.quotientAndRemainder(dividingBy: height)
    let stretch = kernelWidth * channels
    for kernelY in 0..<kernelHeight {
      let (outY, rest) = (y + spec.padding.top - kernelY).quotientAndRemainder(dividingBy: spec.stride)
      let outRow = picture * outHeight + outY
      guard rest == 0 && outY >= 0 && outY < outHeight && tile.contains(outRow) else { continue }
      for outX in 0..<outWidth {
        let (source, target) = clip(outX)
        let window = ((outRow - tile.lowerBound) * outWidth + outX) * windowCount + kernelY * stretch
        let from = columns + window + target.lowerBound
        store(0..<target.count, into: dx + row * width * channels + source, .accumulate) { from[$0] }
      }
    }
  }

  /// The rows of the pictures that output rows `tile` look at.
  func rowsSeen(by tile: Range<Int>) -> Range<Int> {
    let (first, last) = (tile.lowerBound, tile.upperBound - 1)
    let top = first % outHeight * spec.stride - spec.padding.top
    let bottom = last % outHeight * spec.stride - spec.padding.top + kernelHeight
    let start = first / outHeight * height + min(max(top, 0), height)
    return start..<max(last / outHeight * height + min(max(bottom, 0), height), start)
  }

  /// The part of a window's row that lies inside the picture: where it starts in the picture's row, and which elements
  /// of the window's row it fills.
  @inline(__always)
  private func clip(_ outX: Int) -> (source: Int, target: Range<Int>) {
    let left = outX * spec.stride - spec.padding.left
    let start = min(max(left, 0), width)
    let end = max(min(left + kernelWidth, width), start)
    let skipped = min(max(start - left, 0), kernelWidth)
    return (start * channels, skipped * channels..<(skipped + end - start) * channels)
  }
}
