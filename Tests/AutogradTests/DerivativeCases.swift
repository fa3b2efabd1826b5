import Autograd
import OperationCatalogue

extension DerivativeCase {
  /// Every differentiable operation of `Variable`.
  static let all = arithmetic + activations + movement + linearAlgebra + normalizations + attentions

  private static var arithmetic: [DerivativeCase] {
    let broadcasts: [(String, Shape, Shape)] = [
      ("same", [3, 5], [3, 5]), ("time", [2, 3, 4, 5], [2, 1, 1, 5]), ("position", [2, 7, 5], [7, 5]),
      ("outer", [3, 1], [1, 4]), ("scalar", [2, 3], []), ("first", [5], [2, 3, 5]), ("inner", [2, 3, 4], [2, 3, 1]),
      ("alternating", [2, 3, 4, 5], [1, 3, 1, 5]),
    ]
    return broadcasts.flatMap { variant, a, b in
      let shape = Broadcast(a, b, operation: "test").shape
      return [
        DerivativeCase(
          "+", variant, inputs: [DerivativeInput(a), DerivativeInput(b)], sumLength: shape.count,
          forward: { $0[0] + $0[1] }, reference: { Reference.binary(.add, $0[0], $0[1], shape) }),
        DerivativeCase(
          "*", variant, inputs: [DerivativeInput(a), DerivativeInput(b)], sumLength: shape.count,
          forward: { $0[0] * $0[1] }, reference: { Reference.binary(.multiply, $0[0], $0[1], shape) }),
      ]
    } + [
      DerivativeCase(
        "*", "number", inputs: [DerivativeInput([3, 5])], sumLength: 1,
        forward: { $0[0] * -0.75 }, reference: { $0[0].map { Bounded(-0.75) * $0 } }),
      DerivativeCase(
        "sum", inputs: [DerivativeInput([3, 5, 7])], sumLength: 105,
        forward: { $0[0].sum(scale: 0.25) },
        reference: { Reference.sum($0[0].reshaped([1, 105, 1]), scale: 0.25).reshaped([]) }),
      DerivativeCase(
        "meanSquaredError", inputs: [DerivativeInput([3, 4, 5]), .constant(Operand([3, 4, 5]))], sumLength: 20,
        forward: { $0[0].meanSquaredError($0[1].value) },
        reference: { Reference.meanSquaredError($0[0].reshaped([3, 20]), $0[1].reshaped([3, 20])) }),
    ]
  }

  private static var activations: [DerivativeCase] {
    let wide = DerivativeInput([4, 33], .plain, .normal(deviation: 3))
    return [
      DerivativeCase(
        "silu", inputs: [wide], sumLength: 1, forward: { $0[0].silu() },
        reference: { $0[0].map { Reference.unary(.silu, $0) } }),
      DerivativeCase(
        "gelu", inputs: [wide], sumLength: 1, forward: { $0[0].gelu() },
        reference: { $0[0].map { Reference.unary(.gelu, $0) } }),
      DerivativeCase(
        "quickGELU", inputs: [wide], sumLength: 1, forward: { $0[0].quickGELU() },
        reference: { $0[0].map { Reference.unary(.quickGELU, $0) } }),
      DerivativeCase(
        "geglu", inputs: [DerivativeInput([2, 3, 10], .plain, .normal(deviation: 2))], sumLength: 1,
        forward: { $0[0].geglu() },
        reference: { Reference.geglu($0[0].reshaped([6, 10])).reshaped([2, 3, 5]) }),
    ]
  }

  private static var movement: [DerivativeCase] {
    let upsamplings = [("twice", 6, 8), ("odd", 5, 7)]
    return upsamplings.map { variant, height, width in
      DerivativeCase(
        "upsampledNearest", variant, inputs: [DerivativeInput([2, 3, 4, 5], .picture)], layout: .picture, sumLength: 4,
        forward: { $0[0].upsampledNearest(to: (height, width)) },
        reference: { Reference.upsampleNearest($0[0], height, width) })
    } + [
      DerivativeCase(
        "reshaped", inputs: [DerivativeInput([2, 3, 4])], sumLength: 1,
        forward: { $0[0].reshaped([6, 4]) }, reference: { $0[0].reshaped([6, 4]) }),
      DerivativeCase(
        "concatenated", "last", inputs: [DerivativeInput([2, 3, 4]), DerivativeInput([2, 3, 5])], sumLength: 1,
        forward: { $0[0].concatenated(with: $0[1], axis: -1) },
        reference: { concatenated($0[0].reshaped([6, 4]), $0[1].reshaped([6, 5])).reshaped([2, 3, 9]) }),
      DerivativeCase(
        "concatenated", "first", inputs: [DerivativeInput([2, 3]), DerivativeInput([4, 3])], sumLength: 1,
        forward: { $0[0].concatenated(with: $0[1], axis: 0) },
        reference: { concatenated($0[0].reshaped([1, 6]), $0[1].reshaped([1, 12])).reshaped([6, 3]) }),
      DerivativeCase(
        "gathered",
        inputs: [DerivativeInput([6, 5]), .constant(Operand([2, 7], .int32, .list([0, 3, 3, 5, 0, 0, 2])))],
        sumLength: 7,
        forward: { $0[0].gathered($0[1].value) }, reference: { Reference.gather($0[0], $0[1]) }),
    ]
  }

  private static func concatenated(_ a: Values, _ b: Values) -> Values {
    let (left, right) = (a.shape[1], b.shape[1])
    var out = Values(zeros: [a.shape[0], left + right])
    for row in 0..<a.shape[0] {
      for c in 0..<left + right { out[row, c] = c < left ? a[row, c] : b[row, c - left] }
    }
    return out
  }

  private static var linearAlgebra: [DerivativeCase] {
    let belowAndRight = Convolution2D.Padding(top: 0, left: 0, bottom: 1, right: 1)
    let convolutions: [(String, Shape, Shape, Convolution2D)] = [
      ("1x1", [2, 4, 3, 5], [7, 5, 1, 1], Convolution2D()),
      ("3x3", [2, 5, 4, 3], [4, 3, 3, 3], Convolution2D(padding: .all(1))),
      ("stride2", [1, 7, 6, 3], [4, 3, 3, 3], Convolution2D(stride: 2, padding: .all(1))),
      ("below-right", [1, 6, 8, 3], [2, 3, 3, 3], Convolution2D(stride: 2, padding: belowAndRight)),
    ]
    return convolutions.map { variant, input, weight, spec in
      DerivativeCase(
        "convolution", variant,
        inputs: [
          DerivativeInput(input, .picture), DerivativeInput(weight, .convolutionWeight), DerivativeInput([weight[0]]),
        ],
        layout: .picture, sumLength: 64,
        forward: { $0[0].convolution($0[1], bias: $0[2], spec) },
        reference: { Reference.convolution($0[0], $0[1], bias: $0[2], spec) })
    } + [
      DerivativeCase(
        "linear", "bias", inputs: [DerivativeInput([2, 5, 7]), DerivativeInput([3, 7]), DerivativeInput([3])],
        sumLength: 10,
        forward: { $0[0].linear($0[1], bias: $0[2]) },
        reference: {
          let product = MatrixProduct(m: 10, n: 3, k: 7, transposeB: true)
          return Reference.matrixProduct($0[0].reshaped([10, 7]), $0[1], product, bias: $0[2]).reshaped([2, 5, 3])
        }),
      DerivativeCase(
        "linear", "plain", inputs: [DerivativeInput([4, 7]), DerivativeInput([3, 7])], sumLength: 7,
        forward: { $0[0].linear($0[1], bias: nil) },
        reference: {
          Reference.matrixProduct($0[0], $0[1], MatrixProduct(m: 4, n: 3, k: 7, transposeB: true), bias: nil)
        }),
    ]
  }

  private static var normalizations: [DerivativeCase] {
    let scale = { DerivativeInput([$0], .plain, .normal(mean: 1, deviation: 0.5)) }
    return [false, true].map { silu in
      let spec = GroupNormalization(groups: 3, epsilon: 1e-5, silu: silu)
      return DerivativeCase(
        "groupNorm", silu ? "silu" : "plain",
        inputs: [DerivativeInput([2, 3, 5, 6], .picture), scale(6), DerivativeInput([6])], layout: .picture,
        sumLength: 30,
        forward: { $0[0].groupNorm(gamma: $0[1], beta: $0[2], spec) },
        reference: { Reference.groupNorm($0[0], gamma: $0[1], beta: $0[2], spec).out })
    } + [
      DerivativeCase(
        "layerNorm", inputs: [DerivativeInput([2, 4, 9]), scale(9), DerivativeInput([9])], sumLength: 9,
        forward: { $0[0].layerNorm(gamma: $0[1], beta: $0[2], epsilon: 1e-5) },
        reference: {
          Reference.layerNorm($0[0].reshaped([8, 9]), gamma: $0[1], beta: $0[2], epsilon: 1e-5).out
            .reshaped([2, 4, 9])
        })
    ]
  }

  private static var attentions: [DerivativeCase] {
    let extents: [(String, Shape, Int, Bool)] = [
      ("self", [2, 5, 2, 8], 5, false), ("cross", [1, 4, 2, 5], 7, false), ("causal", [2, 6, 1, 4], 6, true),
    ]
    return extents.map { variant, shape, keys, causal in
      let spec = Attention(scale: 1 / Float(shape[3]).squareRoot(), causal: causal)
      let memory = DerivativeInput(shape.replacing(1, with: keys))
      return DerivativeCase(
        "attention", variant, inputs: [DerivativeInput(shape), memory, memory], sumLength: 16,
        forward: { $0[0].attention(keys: $0[1], values: $0[2], spec) },
        reference: { Reference.attention($0[0], $0[1], $0[2], spec).out })
    }
  }
}
