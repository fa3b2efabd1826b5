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
    clippingFactors + steps + adamWSteps
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
      updateScale(65536, goodSteps: 0), updateScale(65536, goodSteps: 1998), updateScale(65536, goodSteps: 1999),
      updateScale(0x1p127, goodSteps: 1999),
      updateScale(4, goodSteps: 2, LossScaling(growthFactor: 4, growthInterval: 3)),
    ]
  }
}
