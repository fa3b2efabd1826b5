import Foundation
import Tensor

extension OperationCatalogue {
  /// Step `step` of AdamW, with moments that earlier steps may have left.
  ///
  /// - Parameters:
  ///   - parameter: Float32, or BFloat16, which is rounded at random.
  ///   - shadow: the type of the copy that is written besides, if any.
  ///   - firstDrawn: the number of the first parameter in the draw that rounds it.
  public static func adamW(
    _ count: Int, step: Int, learningRate: Double = 1e-3, clipping: Double = 1, gradient: DType = .float32,
    parameter: DType = .float32, shadow: DType? = nil, firstDrawn: Int = 0,
    _ constants: AdamWConstants = AdamWConstants()
  ) -> OperationCase {
    let given = AdamWCase(
      count, step, learningRate, clipping, gradient, parameter, shadow, firstDrawn, constants)
    let isFirst = step == 1
    return OperationCase(
      .adamW, given.name,
      operands: given.operands + [
        Operand([count], .float32, isFirst ? .list([0]) : .normal(deviation: 0.1)),
        Operand([count], .float32, isFirst ? .list([0]) : .uniform(0...2)),
      ],
      outputs: given.outputs
        + [5, 6].map { Output([count], .float32, .update(operand: $0)) },
      elements: count,
      run: { backend, operands, outputs in
        let tensors = outputs.map(\.tensor)
        backend.adamW(
          constants, rates: operands[0], clipping: operands[1], gradient: operands[2], parameter: tensors[0],
          moment1: tensors[tensors.count - 2], moment2: tensors[tensors.count - 1],
          shadow: given.shadow(tensors), rounding: given.rounding(operands[4]))
      },
      reference: { operands in
        let results = Reference.adamW(
          constants, rates: operands[0], clipping: operands[1].scalar, gradient: operands[2],
          parameter: operands[3], moment1: operands[5], moment2: operands[6])
        return given.stored(results[0]) + results[1...]
      })
  }

  /// The same with moments in 8 bits.
  public static func adamWQuantized(
    _ count: Int, step: Int, learningRate: Double = 1e-3, clipping: Double = 1, gradient: DType = .float32,
    parameter: DType = .float32, shadow: DType? = nil, firstDrawn: Int = 0,
    _ constants: AdamWConstants = AdamWConstants()
  ) -> OperationCase {
    let given = AdamWCase(
      count, step, learningRate, clipping, gradient, parameter, shadow, firstDrawn, constants)
    let blocks = QuantizedBlock.count(of: count)
    func moments(_ firstCode: Int) -> [Operand] {
      [
        Operand([count], .uint8, step == 1 ? .list([0]) : .integers(firstCode..<256)),
        Operand([blocks], .float32, step == 1 ? .list([0]) : .uniform(0.1...2)),
      ]
    }
    let first = given.outputs.count
    return OperationCase(
      .adamWQuantized, given.name,
      // A mean of squares of zero, beside a mean of gradients that is not, leaves a step to chance. It comes up in the
      // first step.
      operands: given.operands + moments(0) + moments(1),
      outputs: given.outputs
        + [(5, count, DType.uint8), (6, blocks, .float32), (7, count, .uint8), (8, blocks, .float32)].map {
          Output([$1], $2, .update(operand: $0))
        },
      elements: count,
      run: { backend, operands, outputs in
        let tensors = outputs.map(\.tensor)
        backend.adamWQuantized(
          constants, rates: operands[0], clipping: operands[1], gradient: operands[2], parameter: tensors[0],
          moments: QuantizedMoments(
            codes1: tensors[first], scales1: tensors[first + 1], codes2: tensors[first + 2],
            scales2: tensors[first + 3]),
          shadow: given.shadow(tensors), rounding: given.rounding(operands[4]))
      },
      reference: { operands in
        let results = Reference.adamW(
          constants, rates: operands[0], clipping: operands[1].scalar, gradient: operands[2],
          parameter: operands[3], moment1: Reference.dequantized(operands[5], operands[6], .signed),
          moment2: Reference.dequantized(operands[7], operands[8], .unsigned))
        return given.stored(results[0]) + Reference.quantized(results[1], .signed)
          + Reference.quantized(results[2], .unsigned)
      })
  }

  static var adamWSteps: [OperationCase] {
    [
      adamW(1, step: 1), adamW(37, step: 1), adamW(1003, step: 2), adamW(64, step: 1000, clipping: 0.01),
      adamW(13, step: 3, AdamWConstants(beta1: 0, beta2: 0.5, epsilon: 1, weightDecay: 0)),
      adamW(70_001, step: 7, learningRate: 5e-6), adamW(0, step: 1),
      adamW(37, step: 1, gradient: .bfloat16, shadow: .bfloat16),
      adamW(37, step: 1, gradient: .float16, shadow: .float16),
      adamW(70_001, step: 7, learningRate: 5e-6, gradient: .bfloat16, shadow: .bfloat16),
      adamW(1003, step: 2, clipping: 0x1p-16, gradient: .float16, shadow: .float16),
      adamW(1003, step: 2, shadow: .bfloat16), adamW(1003, step: 2, shadow: .float16),
      adamW(0, step: 1, gradient: .bfloat16, shadow: .bfloat16),
      adamW(1003, step: 2, gradient: .bfloat16, parameter: .bfloat16),
      adamW(70_001, step: 7, learningRate: 5e-6, gradient: .bfloat16, parameter: .bfloat16, firstDrawn: 1 << 20),
      adamW(1003, step: 2, parameter: .bfloat16, firstDrawn: 8),

      adamWQuantized(1, step: 1), adamWQuantized(256, step: 1), adamWQuantized(1003, step: 2),
      adamWQuantized(64, step: 1000, clipping: 0.01), adamWQuantized(0, step: 1),
      adamWQuantized(70_001, step: 7, learningRate: 5e-6, gradient: .bfloat16, shadow: .bfloat16),
      adamWQuantized(1003, step: 2, clipping: 0x1p-16, gradient: .float16, shadow: .float16),
      adamWQuantized(1003, step: 2, gradient: .bfloat16, parameter: .bfloat16, firstDrawn: 1 << 20),
      adamWQuantized(515, step: 3, parameter: .bfloat16),
    ]
  }
}

/// What the cases of both kinds of steps have in common: five operands, then the parameter and its shadow as outputs.
private struct AdamWCase: Sendable {
  let name: String
  let operands: [Operand]
  let outputs: [Output]
  private let hasShadow: Bool
  private let isRounded: Bool
  private let firstDrawn: Int

  private static let stream = RandomStream(seed: 0xFEED_5EED_0BAD_CAFE, stream: 77)
  private static let draw: Int32 = 12

  init(
    _ count: Int, _ step: Int, _ learningRate: Double, _ clipping: Double, _ gradient: DType, _ parameter: DType,
    _ shadow: DType?, _ firstDrawn: Int, _ constants: AdamWConstants
  ) {
    let kept = parameter == .float32 ? "" : "parameter \(parameter) from \(firstDrawn) "
    let copy = shadow.map { "shadow \($0) " } ?? ""
    name =
      "[\(count)] step \(step) rate \(learningRate) clipping \(clipping) of \(gradient) \(kept)\(copy)\(constants)"
    let rates = [learningRate, 1 - pow(constants.beta1, Double(step)), 1 - pow(constants.beta2, Double(step))]
    operands = [
      Operand([3], .float32, .list(rates)), Operand([], .float32, .list([clipping])), Operand([count], gradient),
      Operand([count], parameter), Operand([], .int32, .list([Double(Self.draw)])),
    ]
    outputs =
      [Output([count], parameter, .update(operand: 3))]
      + (shadow.map { [Output([count], $0, .overwrite)] } ?? [])
    hasShadow = shadow != nil
    isRounded = parameter != .float32
    self.firstDrawn = firstDrawn
  }

  func shadow(_ outputs: [Tensor]) -> Tensor? { hasShadow ? outputs[1] : nil }

  func rounding(_ draw: Tensor) -> StochasticRounding? {
    isRounded ? StochasticRounding(Self.stream, draw: draw, first: firstDrawn) : nil
  }

  /// What is stored of the new parameters.
  func stored(_ parameter: Values) -> [Values] {
    if isRounded {
      return [Reference.roundedAtRandom(parameter, Self.stream, draw: Self.draw, first: firstDrawn)]
    }
    return hasShadow ? [parameter, parameter] : [parameter]
  }
}
