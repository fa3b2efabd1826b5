import Tensor

extension Reference {
  /// Copies or adds strided blocks into `base`.
  static func copyBlocks(_ x: Values, _ copy: BlockCopy, _ write: Write, into base: Values) -> Values {
    var out = base
    for block in 0..<copy.outer {
      for i in 0..<copy.count {
        let source = x[copy.source.offset + block * copy.source.stride + i]
        let target = copy.target.offset + block * copy.target.stride + i
        out[target] = write == .overwrite ? source : out[target] + source
      }
    }
    return out
  }

  /// Pixel (y, x) of the result is pixel (⌊y h / H⌋, ⌊x w / W⌋).
  public static func upsampleNearest(_ x: Values, _ height: Int, _ width: Int) -> Values {
    var out = Values(zeros: [x.shape[0], height, width, x.shape[3]])
    for n in 0..<x.shape[0] {
      for row in 0..<height {
        for column in 0..<width {
          for c in 0..<x.shape[3] {
            out[n, row, column, c] = x[n, row * x.shape[1] / height, column * x.shape[2] / width, c]
          }
        }
      }
    }
    return out
  }

  /// Every pixel receives the sum of the gradients of the pixels that read it.
  static func upsampleNearestBackward(_ gradient: Values, _ shape: Shape) -> Values {
    let (height, width) = (gradient.shape[1], gradient.shape[2])
    var sums = Array(repeating: BoundedSum(), count: shape.count)
    for n in 0..<shape[0] {
      for row in 0..<height {
        for column in 0..<width {
          for c in 0..<shape[3] {
            let (y, x) = (row * shape[1] / height, column * shape[2] / width)
            sums[((n * shape[1] + y) * shape[2] + x) * shape[3] + c].add(gradient[n, row, column, c])
          }
        }
      }
    }
    return Values(shape, sums.map(\.total))
  }
}
