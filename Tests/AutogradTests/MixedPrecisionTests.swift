import Autograd
import OperationCatalogue
import TestSupport
import Testing

/// Parameters in Float32, their copies and gradients in a half type. Whatever is asked for here every device can do,
/// also one that computes in Float32 alone.
@Suite struct MixedPrecisionTests {
  private typealias Model = (parts: (convolution: Convolution, frozen: Linear), parameters: ParameterStore)

  /// A convolution that is trained and a matrix that is not.
  private func model(_ computeType: DType, on backend: any Backend) throws -> Model {
    let (model, parameters) = try ParameterStore.build(
      on: backend, trainable: { $0.hasPrefix("convolution") }, computeType: computeType,
      from: InitialParameters(seed: 2)
    ) { (convolution: try Convolution($0["convolution"], 3, 5), frozen: try Linear($0["frozen"], 7, 2)) }
    return (model, parameters)
  }

  /// Numbers for every gradient.
  private func setGradients(_ parameters: ParameterStore, seed: UInt64) {
    let count = parameters.gradients.count
    let values = Operand([count], parameters.computeType).values(seed: seed, after: [])
    let numbers = Tensor(numbers: values.numbers, [count], parameters.computeType, on: parameters.backend)
    parameters.gradients.assign(numbers)
  }

  private func requireShadows(_ parameters: ParameterStore, _ dtype: DType, _ when: Comment) {
    for parameter in parameters.parameters {
      let seen = parameter.variable.value
      #expect(seen.dtype == dtype, when)
      #expect(seen.numbers() == parameter.value.cast(to: dtype).numbers(), when)
      #expect(seen.numbers().contains { $0 != 0 }, when)
    }
  }

  @Test(arguments: Device.kinds, [DType.float16, .bfloat16])
  func operationsSeeTheRoundedParameters(_ device: Device, _ dtype: DType) throws {
    let (_, parameters) = try model(dtype, on: device.backend)
    requireShadows(parameters, dtype, "after building")
    for parameter in parameters.parameters {
      #expect(parameter.value.dtype == (parameter.isTrainable ? .float32 : dtype))
      #expect(parameter.gradient?.dtype == (parameter.isTrainable ? dtype : nil))
    }
    let parameter = parameters.parameters[0]
    let given = Operand(parameter.specification.shape).values(seed: 9, after: []).floats
    parameter.assign(given)
    #expect(parameters.pytorch(parameter).floats() == given)
    requireShadows(parameters, dtype, "after an assignment")
    let before = parameters.values.floats()
    setGradients(parameters, seed: 3)
    AdamW([parameters], maximumGradientNorm: 1).step(learningRate: 0.01)
    #expect(parameters.values.floats() != before)
    requireShadows(parameters, dtype, "after a step")
  }

  /// Steps too small for the half type add up in the parameter, until the copy moves too.
  @Test(arguments: Device.kinds)
  func smallStepsAreNotLost(_ device: Device) throws {
    let (parameter, parameters) = try ParameterStore.build(
      on: device.backend, trainable: { _ in true }, computeType: .bfloat16, from: GivenNumbers(["weight": [1]])
    ) { try $0.parameter("weight", [1], initial: .constant(0)) }
    let optimizer = AdamW([parameters], AdamWConstants(weightDecay: 0), maximumGradientNorm: 1)
    // Ten steps of 0.001 up, where bfloat16 numbers above 1 are 0.0078 apart.
    for step in 1...10 {
      parameter.gradient?.assign([BFloat16(-1)])
      optimizer.step(learningRate: 0.001)
      #expect(abs(parameter.value.scalar - (1 + 0.001 * Float(step))) < 1e-5)
      #expect(parameter.variable.value.floats() == [step < 4 ? 1 : 1.007_812_5])
    }
  }

  /// 1 + 2⁻⁹ is no bfloat16 but is a Float32.
  @Test(arguments: Device.kinds)
  func batchesAddUpWithoutLoss(_ device: Device) throws {
    let (parameter, parameters) = try ParameterStore.build(
      on: device.backend, trainable: { _ in true }, computeType: .bfloat16, from: GivenNumbers(["weight": [1, 1]])
    ) { try $0.parameter("weight", [2], initial: .constant(0)) }
    for _ in 0..<2 {
      let batches: [[Float]] = [[1, 2], [0x1p-9, 0x1p-8]]
      for batch in batches {
        parameter.gradient?.assign(batch.map { BFloat16($0) })
        parameters.addUpGradients()
        #expect(parameter.gradient?.floats() == [0, 0])
      }
      #expect(parameters.totalGradients.array(Float.self).prefix(2) == [1 + 0x1p-9, 2 + 0x1p-8])
      parameters.clearGradients()
      #expect(parameters.totalGradients.floats().allSatisfy { $0 == 0 })
    }
  }

  /// A last batch that nobody added up counts all the same.
  @Test(arguments: Device.kinds)
  func theLastBatchIsNotForgotten(_ device: Device) throws {
    let (_, parameters) = try model(.bfloat16, on: device.backend)
    setGradients(parameters, seed: 5)
    let one = parameters.totalGradients.floats()
    #expect(parameters.totalGradients.dtype == .bfloat16)
    parameters.addUpGradients()
    setGradients(parameters, seed: 5)
    #expect(parameters.totalGradients.array(Float.self) == one.map { 2 * $0 })
    #expect(parameters.totalGradients.array(Float.self) == one.map { 2 * $0 })
  }

  /// Casts round on the way there, and round the derivative on the way back.
  @Test(arguments: Device.kinds)
  func castsAreDifferentiable(_ device: Device) {
    let numbers: [Float] = [1.003, -2.5, 1e-3]
    let rounded = numbers.map { BFloat16($0).float }
    let x = Variable(leaf: Tensor(numbers, [3], on: device.backend))
    let y = x.cast(to: .bfloat16)
    #expect(y.value.dtype == .bfloat16 && y.value.floats() == rounded)
    #expect(x.cast(to: .float32).value.storage === x.value.storage)
    y.cast(to: .float32).backward(Tensor(numbers, [3], on: device.backend))
    #expect(x.gradient?.array(Float.self) == rounded)
  }
}

/// Gradients that count as empty after they were cleared, without a pass over them.
@Suite struct GradientArenaTests {
  private let backend = Device.cpu.backend

  private func pair() throws -> (first: Parameter, second: Parameter, parameters: ParameterStore) {
    let numbers: [Float] = (0..<24).map { Float($0 % 7) * 0.3 - 1 }
    let (model, parameters) = try ParameterStore.build(
      on: backend, trainable: { _ in true }, from: GivenNumbers(["a": numbers, "b": numbers])
    ) { scope in
      try ["a", "b"].map { try scope.parameter($0, [1, 3, 2, 4], initial: .constant(0)) }
    }
    return (model[0], model[1], parameters)
  }

  @Test func nothingOfAnEarlierStepRemains() throws {
    let (first, second, parameters) = try pair()
    parameters.gradients.assign(Tensor(repeating: .nan, parameters.gradients.shape, on: backend))
    parameters.clearGradients()
    (first.variable * 2).sum().backward()
    #expect(first.gradient?.array() == [Float](repeating: 2, count: 24))
    #expect(second.gradient?.array() == [Float](repeating: 0, count: 24))
  }

  /// What stands between parameters never enters a norm.
  @Test func gapsStayZero() throws {
    let (first, second, parameters) = try pair()
    for _ in 0..<2 {
      (first.variable * 3 + second.variable).sum().backward()
      let gradients = parameters.gradients.array(Float.self)
      #expect(gradients.filter { $0 != 0 }.count == 48)
      #expect(gradients.count > 48)
      AdamW([parameters], maximumGradientNorm: 1).step(learningRate: 0.1)
      #expect(parameters.values.array(Float.self).filter { $0 != 0 }.count == 48)
    }
  }

  @Test func theFirstDerivativeReplacesAndFurtherOnesAdd() throws {
    let (first, _, parameters) = try pair()
    for _ in 0..<2 {
      (first.variable * 2).sum().backward()
      (first.variable.reshaped([24]) * 3).sum().backward()
      #expect(first.gradient?.array() == [Float](repeating: 5, count: 24))
      parameters.clearGradients()
      (first.variable + first.variable).sum().backward()
      #expect(first.gradient?.array() == [Float](repeating: 2, count: 24))
      parameters.clearGradients()
    }
  }

  /// A kernel may be handed one gradient for several of its inputs.
  @Test func oneParameterCanTakeEveryPlaceOfAnOperation() throws {
    let (first, _, parameters) = try pair()
    parameters.gradients.assign(Tensor(repeating: .nan, parameters.gradients.shape, on: backend))
    parameters.clearGradients()
    let seed = Tensor(first.value.array(Float.self).reversed(), first.value.shape, on: backend)
    let leaf = Variable(leaf: first.value)
    for variable in [leaf, first.variable] {
      variable.attention(keys: variable, values: variable, Attention(scale: 0.5)).backward(seed)
    }
    // Three numbers are added, in another order.
    let (found, expected) = (try #require(first.gradient), try #require(leaf.gradient))
    #expect(relativeError(found.array(), expected.array()) <= float32Tolerance(sumLength: 3))
  }
}
