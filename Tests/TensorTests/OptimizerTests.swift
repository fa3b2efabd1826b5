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
      let scale = Tensor(repeating: 1, [], on: backend)
      backend.clippingFactor(gradientTensor.sumOfSquares(), scale: scale, maximumNorm: 1, into: factor)
      backend.adamW(
        constants, rates: Tensor(rates.map { Float($0) }, [3], on: backend), clipping: factor,
        gradient: gradientTensor, parameter: tensors[0], moment1: tensors[1], moment2: tensors[2], shadow: nil,
        rounding: nil)
      expected = Reference.adamW(
        constants, rates: Values([3], rates.map { Bounded(Double(Float($0))) }),
        clipping: Reference.clippingFactor(Reference.sumOfSquares(gradient).scalar, scale: 1.0, maximumNorm: 1),
        gradient: gradient, parameter: expected[0], moment1: expected[1], moment2: expected[2])
      for (tensor, values) in zip(tensors, expected) {
        if let difference = Comparison(tensor, values).worst { Issue.record("step \(step): \(difference)") }
      }
    }
  }

  /// The shadow holds the new parameters as a cast would round them, whatever the type of the gradients.
  @Test(arguments: Device.allCases, [DType.float16, .bfloat16])
  func shadowIsTheRoundedParameter(_ device: Device, _ dtype: DType) {
    let backend = device.backend
    for gradientType in [dtype, .float32] {
      let step = OptimizerStep(count: 70_001, clipping: 0.5, gradient: gradientType, shadow: dtype, on: backend)
      step.run()
      #expect(step.shadow.numbers() == step.parameter.cast(to: dtype).numbers())
      #expect(step.parameter.numbers() != step.before[0], "the step moved nothing")
    }
  }

  /// Gradients that are no numbers skip the step: everything stays as it is, and only the scale of the loss goes down.
  @Test(arguments: Device.allCases, [Float.infinity, .nan])
  func gradientsThatAreNotFiniteChangeNothing(_ device: Device, _ squaredNorm: Float) {
    let backend = device.backend
    let step = OptimizerStep(count: 1003, clipping: 0.5, gradient: .bfloat16, shadow: .bfloat16, on: backend)
    let scale = Tensor(repeating: 1024, [], on: backend)
    let goodSteps = Tensor([Int32(7)], [], on: backend)
    let steps = Tensor([Int32(3)], [], on: backend)
    backend.clippingFactor(
      Tensor(repeating: squaredNorm, [], on: backend), scale: scale, maximumNorm: 1, into: step.clipping)
    #expect(step.clipping.scalar.isNaN)
    backend.countStep(AdamWConstants(), clipping: step.clipping, steps: steps, rates: step.rates)
    step.run()
    backend.updateScale(LossScaling(), clipping: step.clipping, scale: scale, goodSteps: goodSteps)
    #expect(step.state == step.before)
    #expect(steps.array(Int32.self) == [3])
    #expect(goodSteps.array(Int32.self) == [0])
    #expect(scale.scalar == 512)
  }
}

/// Tensors for one step of AdamW, and what they held before it.
private struct OptimizerStep {
  let rates: Tensor
  let clipping: Tensor
  let gradient: Tensor
  let parameter: Tensor
  let moment1: Tensor
  let moment2: Tensor
  let shadow: Tensor
  /// `state` before the step.
  private(set) var before: [[Double]] = []

  init(count: Int, clipping: Float, gradient gradientType: DType, shadow dtype: DType, on backend: any Backend) {
    func tensor(_ seed: UInt64, _ dtype: DType, _ distribution: Distribution) -> Tensor {
      let values = Operand([count], dtype, distribution).values(seed: seed, after: [])
      return Tensor(numbers: values.numbers, [count], dtype, on: backend)
    }
    rates = Tensor([1e-3, 0.2, 0.01] as [Float], [3], on: backend)
    self.clipping = Tensor(repeating: clipping, [], on: backend)
    gradient = tensor(1, gradientType, .normal())
    parameter = tensor(2, .float32, .normal())
    moment1 = tensor(3, .float32, .normal(deviation: 0.1))
    moment2 = tensor(4, .float32, .uniform(0...2))
    shadow = tensor(5, dtype, .normal())
    before = state
  }

  /// Everything that a step may write.
  var state: [[Double]] { [parameter, moment1, moment2, shadow, rates].map { $0.numbers() } }

  func run() {
    gradient.backend.adamW(
      AdamWConstants(), rates: rates, clipping: clipping, gradient: gradient, parameter: parameter,
      moment1: moment1, moment2: moment2, shadow: shadow, rounding: nil)
  }
}
