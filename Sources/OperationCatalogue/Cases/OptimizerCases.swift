import Foundation
import Tensor

extension OperationCatalogue {
  /// Σ x².
  public static func sumOfSquares(_ count: Int, _ dtype: DType = .float32) -> OperationCase {
    OperationCase(
      .sumOfSquares, "[\(count)] \(dtype)",
      operands: [Operand([count], dtype)], outputs: [Output([])], elements: count,
      run: { backend, operands, outputs in backend.sumOfSquares(operands[0], into: outputs[0]) },
      reference: { [Reference.sumOfSquares($0[0])] })
  }

  /// The factor that brings a scaled squared norm down to a maximum.
  public static func clippingFactor(_ sumOfSquares: Double, scale: Double = 1, maximumNorm: Float) -> OperationCase {
    OperationCase(
      .clippingFactor, "of \(sumOfSquares) at scale \(scale) to \(maximumNorm)",
      operands: [Operand([], .float32, .list([sumOfSquares])), Operand([], .float32, .list([scale]))],
      outputs: [Output([], .float32, .overwrite)], elements: 1,
      run: { backend, operands, outputs in
        backend.clippingFactor(operands[0], scale: operands[1], maximumNorm: maximumNorm, into: outputs[0].tensor)
      },
      reference: { operands in
        [
          Values(
            [], [Reference.clippingFactor(operands[0].scalar, scale: operands[1].scalar, maximumNorm: maximumNorm)])
        ]
      })
  }

  /// The bias corrections of the step after `count` steps.
  public static func countStep(after count: Int, _ constants: AdamWConstants = AdamWConstants()) -> OperationCase {
    OperationCase(
      .countStep, "after \(count) \(constants)",
      operands: [
        Operand([], .float32, .list([0.5])), Operand([], .int32, .list([Double(count)])),
        Operand([3], .float32, .list([1e-4, 0.1, 0.2])),
      ],
      outputs: [Output([], .int32, .update(operand: 1)), Output([3], .float32, .update(operand: 2))], elements: 1,
      run: { backend, operands, outputs in
        backend.countStep(constants, clipping: operands[0], steps: outputs[0].tensor, rates: outputs[1].tensor)
      },
      reference: { Reference.countStep(constants, steps: $0[1].scalar, rates: $0[2]) })
  }

  /// Step `step` of AdamW, with moments that earlier steps may have left.
  ///
  /// - Parameter shadow: the type of the copy that is written besides, if any.
  public static func adamW(
    _ count: Int, step: Int, learningRate: Double = 1e-3, clipping: Double = 1, gradient: DType = .float32,
    shadow: DType? = nil, _ constants: AdamWConstants = AdamWConstants()
  ) -> OperationCase {
    let rates = [learningRate, 1 - pow(constants.beta1, Double(step)), 1 - pow(constants.beta2, Double(step))]
    let isFirst = step == 1
    let copy = shadow.map { "shadow \($0) " } ?? ""
    return OperationCase(
      .adamW, "[\(count)] step \(step) rate \(learningRate) clipping \(clipping) of \(gradient) \(copy)\(constants)",
      operands: [
        Operand([3], .float32, .list(rates)), Operand([], .float32, .list([clipping])), Operand([count], gradient),
        Operand([count]), Operand([count], .float32, isFirst ? .list([0]) : .normal(deviation: 0.1)),
        Operand([count], .float32, isFirst ? .list([0]) : .uniform(0...2)),
      ],
      outputs: [3, 4, 5].map { Output([count], .float32, .update(operand: $0)) }
        + (shadow.map { [Output([count], $0, .overwrite)] } ?? []),
      elements: count,
      run: { backend, operands, outputs in
        backend.adamW(
          constants, rates: operands[0], clipping: operands[1], gradient: operands[2],
          parameter: outputs[0].tensor, moment1: outputs[1].tensor, moment2: outputs[2].tensor,
          shadow: shadow == nil ? nil : outputs[3].tensor)
      },
      reference: { operands in
        let results = Reference.adamW(
          constants, rates: operands[0], clipping: operands[1].scalar, gradient: operands[2],
          parameter: operands[3], moment1: operands[4], moment2: operands[5])
        return shadow == nil ? results : results + [results[0]]
      })
  }

  /// The scale of the loss after one more good step.
  public static func updateScale(_ scale: Double, goodSteps: Int, _ scaling: LossScaling = LossScaling())
    -> OperationCase
  {
    OperationCase(
      .updateScale, "\(scale) after \(goodSteps) \(scaling)",
      operands: [
        Operand([], .float32, .list([0.5])), Operand([], .float32, .list([scale])),
        Operand([], .int32, .list([Double(goodSteps)])),
      ],
      outputs: [Output([], .float32, .update(operand: 1)), Output([], .int32, .update(operand: 2))], elements: 1,
      run: { backend, operands, outputs in
        backend.updateScale(scaling, clipping: operands[0], scale: outputs[0].tensor, goodSteps: outputs[1].tensor)
      },
      reference: { Reference.updateScale(scaling, scale: $0[1].scalar, goodSteps: $0[2].scalar) })
  }

  static var optimizer: [OperationCase] {
    clippingFactors + steps
  }

  private static var clippingFactors: [OperationCase] {
    [
      clippingFactor(0, maximumNorm: 1), clippingFactor(0.25, maximumNorm: 1), clippingFactor(1, maximumNorm: 1),
      clippingFactor(100, maximumNorm: 1), clippingFactor(3e30, maximumNorm: 0.5),
      clippingFactor(0x1p40, scale: 65536, maximumNorm: 1), clippingFactor(9, scale: 1024, maximumNorm: 1),
      clippingFactor(100, scale: 8, maximumNorm: .infinity),
    ]
  }

  private static var steps: [OperationCase] {
    [
      countStep(after: 0), countStep(after: 1), countStep(after: 999), countStep(after: 1_000_000),
      countStep(after: 7, AdamWConstants(beta1: 0, beta2: 0.5)),
      adamW(1, step: 1), adamW(37, step: 1), adamW(1003, step: 2), adamW(64, step: 1000, clipping: 0.01),
      adamW(13, step: 3, AdamWConstants(beta1: 0, beta2: 0.5, epsilon: 1, weightDecay: 0)),
      adamW(70_001, step: 7, learningRate: 5e-6), adamW(0, step: 1),
      adamW(37, step: 1, gradient: .bfloat16, shadow: .bfloat16),
      adamW(37, step: 1, gradient: .float16, shadow: .float16),
      adamW(70_001, step: 7, learningRate: 5e-6, gradient: .bfloat16, shadow: .bfloat16),
      adamW(1003, step: 2, clipping: 0x1p-16, gradient: .float16, shadow: .float16),
      adamW(1003, step: 2, shadow: .bfloat16), adamW(1003, step: 2, shadow: .float16),
      adamW(0, step: 1, gradient: .bfloat16, shadow: .bfloat16),
      updateScale(65536, goodSteps: 0), updateScale(65536, goodSteps: 1998), updateScale(65536, goodSteps: 1999),
      updateScale(0x1p127, goodSteps: 1999),
      updateScale(4, goodSteps: 2, LossScaling(growthFactor: 4, growthInterval: 3)),
    ]
  }
}
