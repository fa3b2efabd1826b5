import Foundation
import Tensor

extension OperationCatalogue {
  /// Σ x².
  public static func sumOfSquares(_ count: Int, _ dtype: DType = .float32) -> OperationCase {
    OperationCase(
      .sumOfSquares, "[\(count)] \(dtype)",
      operands: [Operand([count], dtype)], outputs: [Output([])], flops: 2 * count,
      run: { backend, operands, outputs in backend.sumOfSquares(operands[0], into: outputs[0]) },
      reference: { [Reference.sumOfSquares($0[0])] })
  }

  /// The factor that brings a squared norm down to a maximum.
  public static func clippingFactor(_ sumOfSquares: Double, maximumNorm: Float) -> OperationCase {
    OperationCase(
      .clippingFactor, "of \(sumOfSquares) to \(maximumNorm)",
      operands: [Operand([], .float32, .list([sumOfSquares]))], outputs: [Output([], .float32, .overwrite)], flops: 4,
      run: { backend, operands, outputs in
        backend.clippingFactor(operands[0], maximumNorm: maximumNorm, into: outputs[0].tensor)
      },
      reference: { [Values([], [Reference.clippingFactor($0[0].scalar, maximumNorm: maximumNorm)])] })
  }

  /// Step `step` of AdamW, with moments that earlier steps may have left.
  public static func adamW(
    _ count: Int, step: Int, learningRate: Double = 1e-3, clipping: Double = 1,
    _ constants: AdamWConstants = AdamWConstants()
  ) -> OperationCase {
    let rates = [learningRate, 1 - pow(constants.beta1, Double(step)), 1 - pow(constants.beta2, Double(step))]
    let isFirst = step == 1
    return OperationCase(
      .adamW, "[\(count)] step \(step) rate \(learningRate) clipping \(clipping) \(constants)",
      operands: [
        Operand([3], .float32, .list(rates)), Operand([], .float32, .list([clipping])), Operand([count]),
        Operand([count]), Operand([count], .float32, isFirst ? .list([0]) : .normal(deviation: 0.1)),
        Operand([count], .float32, isFirst ? .list([0]) : .uniform(0...2)),
      ],
      outputs: [3, 4, 5].map { Output([count], .float32, .update(operand: $0)) }, flops: 15 * count,
      run: { backend, operands, outputs in
        backend.adamW(
          constants, rates: operands[0], clipping: operands[1], gradient: operands[2],
          parameter: outputs[0].tensor, moment1: outputs[1].tensor, moment2: outputs[2].tensor)
      },
      reference: { operands in
        Reference.adamW(
          constants, rates: operands[0], clipping: operands[1].scalar, gradient: operands[2],
          parameter: operands[3], moment1: operands[4], moment2: operands[5])
      })
  }

  static var optimizer: [OperationCase] {
    [
      sumOfSquares(1), sumOfSquares(7), sumOfSquares(1000), sumOfSquares(70_001), sumOfSquares(0),
      sumOfSquares(33, .float16), sumOfSquares(999, .bfloat16),
      clippingFactor(0, maximumNorm: 1), clippingFactor(0.25, maximumNorm: 1), clippingFactor(1, maximumNorm: 1),
      clippingFactor(100, maximumNorm: 1), clippingFactor(3e30, maximumNorm: 0.5),
      adamW(1, step: 1), adamW(37, step: 1), adamW(1003, step: 2), adamW(64, step: 1000, clipping: 0.01),
      adamW(13, step: 3, AdamWConstants(beta1: 0, beta2: 0.5, epsilon: 1, weightDecay: 0)),
      adamW(70_001, step: 7, learningRate: 5e-6), adamW(0, step: 1),
    ]
  }
}
