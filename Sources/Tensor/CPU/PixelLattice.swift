/// Pixels of a picture at even distances, and for each of them the pixels of another picture that a convolution joins
/// with it.
///
/// A forward convolution is one lattice: all output pixels, each with the input pixels of its window. Its derivative by
/// the input is one lattice for each remainder of the coordinates by the stride: those input pixels all meet the same
/// taps of the kernel, so that no tap is computed that reaches nothing.
struct PixelLattice {
  /// An element of the kernel, and the distance of the source pixel that it takes.
  struct Tap {
    /// Its place in the kernel, in rows.
    let index: Int
    let y: Int
    let x: Int
  }

  let batch: Int
  /// The lattice's rows and columns.
  let height: Int
  let width: Int
  /// The picture that the lattice lies in, the distance of its pixels and its first one.
  let target: (height: Int, width: Int, step: Int, y: Int, x: Int)
  /// The other picture: pixel (y, x) of the lattice takes pixel (y · scale, x · scale) of it, displaced by the tap.
  let source: (height: Int, width: Int, scale: Int)
  let taps: [Tap]

  /// The rows of the lattice in the whole batch.
  var lineCount: Int { batch * height }

  /// The pixels of a forward convolution's output.
  static func forward(_ shapes: ConvolutionShapes) -> PixelLattice {
    let padding = shapes.spec.padding
    return PixelLattice(
      batch: shapes.batch, height: shapes.outHeight, width: shapes.outWidth,
      target: (shapes.outHeight, shapes.outWidth, 1, 0, 0),
      source: (shapes.height, shapes.width, shapes.spec.stride),
      taps: (0..<shapes.taps).map {
        Tap(index: $0, y: $0 / shapes.kernelWidth - padding.top, x: $0 % shapes.kernelWidth - padding.left)
      })
  }

  /// The pixels of a convolution's input, in lattices that meet the same taps.
  static func backward(_ shapes: ConvolutionShapes) -> [PixelLattice] {
    let (stride, padding) = (shapes.spec.stride, shapes.spec.padding)
    return (0..<stride * stride).map { remainder in
      let (y, x) = remainder.quotientAndRemainder(dividingBy: stride)
      let taps = (0..<shapes.taps).compactMap { tap -> Tap? in
        let (down, right) = (y + padding.top - tap / shapes.kernelWidth, x + padding.left - tap % shapes.kernelWidth)
        guard down % stride == 0 && right % stride == 0 else { return nil }
        return Tap(index: tap, y: down / stride, x: right / stride)
      }
      return PixelLattice(
        batch: shapes.batch, height: (shapes.height - y + stride - 1) / stride,
        width: (shapes.width - x + stride - 1) / stride, target: (shapes.height, shapes.width, stride, y, x),
        source: (shapes.outHeight, shapes.outWidth, 1), taps: taps)
    }
  }

  /// The first pixel of a line in the target, and the distance to the next, in pixels.
  @inline(__always)
  func targetPixel(line: Int) -> Int {
    let (picture, y) = line.quotientAndRemainder(dividingBy: height)
    return (picture * target.height + y * target.step + target.y) * target.width + target.x
  }

  /// The pixels of a line whose tap lies inside the source, and the source pixel of the first of them.
  @inline(__always)
  func inside(line: Int, _ tap: Tap) -> (columns: Range<Int>, sourcePixel: Int) {
    let (picture, row) = line.quotientAndRemainder(dividingBy: height)
    let y = row * source.scale + tap.y
    guard y >= 0 && y < source.height else { return (0..<0, 0) }
    // The least and the first too large column x with 0 <= x · scale + tap.x < source width.
    let first = tap.x >= 0 ? 0 : min((source.scale - 1 - tap.x) / source.scale, width)
    let reach = source.width - tap.x
    let end = reach <= 0 ? 0 : min((reach + source.scale - 1) / source.scale, width)
    guard first < end else { return (0..<0, 0) }
    return (first..<end, (picture * source.height + y) * source.width + first * source.scale + tap.x)
  }
}

/// The extents of a convolution.
struct ConvolutionShapes {
  let batch: Int
  let height: Int
  let width: Int
  let inChannels: Int
  let kernelHeight: Int
  let kernelWidth: Int
  let outHeight: Int
  let outWidth: Int
  let outChannels: Int
  let spec: Convolution2D

  /// The extents of a convolution of `x` by `weight` [height, width, in, out] that yields `out`.
  init(x: Shape, weight: Shape, out: Shape, _ spec: Convolution2D) {
    (batch, height, width, inChannels) = (x[0], x[1], x[2], x[3])
    (kernelHeight, kernelWidth) = (weight[0], weight[1])
    (outHeight, outWidth, outChannels) = (out[1], out[2], weight[3])
    self.spec = spec
  }

  /// The elements of the kernel.
  var taps: Int { kernelHeight * kernelWidth }
  /// The pixels of all inputs.
  var pixels: Int { batch * height * width }
  /// The pixels of all outputs.
  var outPixels: Int { batch * outHeight * outWidth }
  /// Whether every window is one pixel, so that the convolution is a product of matrices.
  var isPixelwise: Bool { taps == 1 && spec == Convolution2D() }
}
