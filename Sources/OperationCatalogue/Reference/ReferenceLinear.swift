import Tensor

extension Reference {
  /// Σ a[i, p] b[p, j] + bias[j]; a library may round the sum to the type of the result before it adds the bias.
  public static func matrixProduct(
    _ a: Values, _ b: Values, _ product: MatrixProduct, bias: Values?, _ dtype: DType = .float32
  ) -> Values {
    var out = Values(zeros: [product.m, product.n])
    for i in 0..<product.m {
      for j in 0..<product.n {
        var sum = BoundedSum()
        for p in 0..<product.k {
          sum.add((product.transposeA ? a[p, i] : a[i, p]) * (product.transposeB ? b[j, p] : b[p, j]))
        }
        if let bias { sum.add(bias[j], afterRoundingTo: dtype) }
        out[i, j] = sum.total
      }
    }
    return out
  }

  /// Calls `body` for every product of an input pixel and a kernel weight that a convolution contains.
  ///
  /// - Parameter body: takes the batch index, the output's row and column, the input's, and the kernel's.
  private static func forEachTap(
    _ input: Shape, _ output: Shape, kernel: (height: Int, width: Int), _ spec: Convolution2D,
    _ body: (_ n: Int, _ out: (y: Int, x: Int), _ in: (y: Int, x: Int), _ kernel: (y: Int, x: Int)) -> Void
  ) {
    for n in 0..<input[0] {
      for outY in 0..<output[1] {
        for outX in 0..<output[2] {
          for kernelY in 0..<kernel.height {
            for kernelX in 0..<kernel.width {
              let y = outY * spec.stride + kernelY - spec.padding.top
              let x = outX * spec.stride + kernelX - spec.padding.left
              if y >= 0 && y < input[1] && x >= 0 && x < input[2] {
                body(n, (outY, outX), (y, x), (kernelY, kernelX))
              }
            }
          }
        }
      }
    }
  }

  /// The shape of a convolution's result; `weight` is [out, in, height, width].
  static func convolutionShape(_ x: Shape, weight: Shape, _ spec: Convolution2D) -> Shape {
    [
      x[0], (x[1] + spec.padding.top + spec.padding.bottom - weight[2]) / spec.stride + 1,
      (x[2] + spec.padding.left + spec.padding.right - weight[3]) / spec.stride + 1, weight[0],
    ]
  }

  /// Cross-correlation of [batch, height, width, in] with [out, in, height, width].
  public static func convolution(
    _ x: Values, _ weight: Values, bias: Values?, _ spec: Convolution2D, _ dtype: DType = .float32
  ) -> Values {
    let shape = convolutionShape(x.shape, weight: weight.shape, spec)
    var sums = Array(repeating: BoundedSum(), count: shape.count)
    forEachTap(x.shape, shape, kernel: (weight.shape[2], weight.shape[3]), spec) { n, out, pixel, kernel in
      for o in 0..<shape[3] {
        for i in 0..<x.shape[3] {
          sums[((n * shape[1] + out.y) * shape[2] + out.x) * shape[3] + o].add(
            x[n, pixel.y, pixel.x, i] * weight[o, i, kernel.y, kernel.x])
        }
      }
    }
    if let bias {
      for flat in 0..<sums.count { sums[flat].add(bias[flat % shape[3]], afterRoundingTo: dtype) }
    }
    return Values(shape, sums.map(\.total))
  }

  /// Every input pixel receives gradient times weight of every product it took part in.
  static func convolutionBackwardInput(
    _ gradient: Values, _ weight: Values, _ spec: Convolution2D, input: Shape
  ) -> Values {
    var sums = Array(repeating: BoundedSum(), count: input.count)
    forEachTap(input, gradient.shape, kernel: (weight.shape[2], weight.shape[3]), spec) { n, out, pixel, kernel in
      for o in 0..<weight.shape[0] {
        for i in 0..<input[3] {
          sums[((n * input[1] + pixel.y) * input[2] + pixel.x) * input[3] + i].add(
            gradient[n, out.y, out.x, o] * weight[o, i, kernel.y, kernel.x])
        }
      }
    }
    return Values(input, sums.map(\.total))
  }

  /// Every weight receives gradient times input of every product it took part in.
  static func convolutionBackwardWeight(
    _ x: Values, _ gradient: Values, _ spec: Convolution2D, weight: Shape
  ) -> Values {
    var sums = Array(repeating: BoundedSum(), count: weight.count)
    forEachTap(x.shape, gradient.shape, kernel: (weight[2], weight[3]), spec) { n, out, pixel, kernel in
      for o in 0..<weight[0] {
        for i in 0..<weight[1] {
          sums[((o * weight[1] + i) * weight[2] + kernel.y) * weight[3] + kernel.x].add(
            x[n, pixel.y, pixel.x, i] * gradient[n, out.y, out.x, o])
        }
      }
    }
    return Values(weight, sums.map(\.total))
  }
}

extension BoundedSum {
  /// Adds a bias to a sum that a library may have rounded to its type before.
  fileprivate mutating func add(_ bias: Bounded, afterRoundingTo dtype: DType) {
    let rounding = total.read(as: dtype).error - total.error
    add(Bounded(bias.value, error: bias.error + rounding))
  }
}
