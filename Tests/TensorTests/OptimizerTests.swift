import Foundation
import OperationCatalogue
import Tensor
import TestSupport
import Testing

@Suite struct OptimizerTests {
  /// Ten steps with clipped gradients: parameters and moments stay within the bounds that the errors add up to.
  @Test(arguments: Device.allCases)
  func manySteps(_ device: Device) {
    let backend = device.backend
    let constants = AdamWConstants()
    let count = 257
    let start = Operand([count]).values(seed: 1, after: [])
    let zero = Values(zeros: [count])
    var expected = [start, zero, zero]
    let tensors = expected.map { Tensor(numbers: $0.numbers, $0.shape, .float32, on: backend) }
    for step in 1...10 {
      let gradient = Operand([count], .float32, .normal(deviation: step.isMultiple(of: 2) ? 2 : 0.01))
        .values(seed: UInt64(100 + step), after: [])
      let rates = [3e-3, 1 - pow(constants.beta1, Double(step)), 1 - pow(constants.beta2, Double(step))]
      let gradientTensor = Tensor(numbers: gradient.numbers, [count], .float32, on: backend)
      let factor = Tensor(empty: [], on: backend)
      backend.clippingFactor(gradientTensor.sumOfSquares(), maximumNorm: 1, into: factor)
      backend.adamW(
        constants, rates: Tensor(rates.map { Float($0) }, [3], on: backend), clipping: factor,
        gradient: gradientTensor, parameter: tensors[0], moment1: tensors[1], moment2: tensors[2])
      expected = Reference.adamW(
        constants, rates: Values([3], rates.map { Bounded(Double(Float($0))) }),
        clipping: Reference.clippingFactor(Reference.sumOfSquares(gradient).scalar, maximumNorm: 1),
        gradient: gradient, parameter: expected[0], moment1: expected[1], moment2: expected[2])
      for (tensor, values) in zip(tensors, expected) {
        if let difference = Comparison(tensor, values).worst { Issue.record("step \(step): \(difference)") }
      }
    }
  }
}
