import Autograd
import TestSupport
import Testing

/// What saves memory in training, and what it does to the loss.
@Suite struct MemorySavingTests {
  /// How two blocks are put together.
  enum Form: CaseIterable, Sendable {
    case plain, checkpointed, nested
    /// The first block is used twice, once where only the recomputed graph shows it.
    case shared
    /// The second block is not used at all.
    case partial

    func run(_ blocks: [SmallBlock], _ x: Variable) -> Variable {
      switch self {
      case .plain: blocks[1](blocks[0](x))
      case .checkpointed: blocks.reduce(x) { h, block in checkpoint([h]) { block($0[0]) } }
      case .nested: checkpoint([x]) { outer in blocks[1](checkpoint([outer[0]]) { blocks[0]($0[0]) }) }
      case .shared: blocks[1](blocks[0](checkpoint([x]) { blocks[0]($0[0]) }))
      case .partial: blocks[0](x)
      }
    }
  }

  /// Losses of steps towards a random picture, and the parameters in the end.
  private func train(
    _ form: Form, steps: Int, on backend: any Backend, gradients: ParameterStore.GradientKeeping = .arena,
    quantizesMoments: Bool = false, isRecorded: Bool = false
  ) throws -> (losses: [Float], parameters: ParameterStore, optimizer: AdamW) {
    let (blocks, parameters) = try SmallBlock.pair(on: backend, gradients: gradients)
    let optimizer = AdamW([parameters], maximumGradientNorm: .infinity, quantizesMoments: quantizesMoments)
    let input = SmallBlock.input(on: backend)
    let target = Tensor.normal(
      input.shape, RandomStream(seed: 6, stream: 0), draw: Tensor([0 as Int32], [], on: backend))
    let loss = Tensor(repeating: 0, [], on: backend)
    let step = RecordedStep(on: backend, isRecorded: isRecorded) {
      let square = form.run(blocks, Variable(input)).meanSquaredError(target).sum(scale: 0.5)
      square.backward()
      _ = optimizer.step()
      loss.assign(square.value)
    }
    var losses: [Float] = []
    for _ in 0..<steps {
      optimizer.prepareStep(learningRate: 0.01)
      step.run()
      losses.append(loss.scalar)
    }
    return (losses, parameters, optimizer)
  }

  /// Steps in the backward pass are those after it, bit for bit, in whatever way parameters are used.
  @Test(arguments: Device.kinds, Form.allCases)
  func stepsInTheBackwardPassChangeNoBit(_ device: Device, _ form: Form) throws {
    let after = try train(form, steps: 4, on: device.backend)
    let inside = try train(form, steps: 4, on: device.backend, gradients: .untilComplete)
    #expect(after.losses == inside.losses)
    #expect(after.parameters.values.bits == inside.parameters.values.bits)
    #expect(after.optimizer.moments2[0].bits == inside.optimizer.moments2[0].bits)
    #expect(Set(after.losses).count == 4)
  }

  @Test func stepsInTheBackwardPassCanBeRecorded() throws {
    for quantizesMoments in [false, true] {
      let plain = try train(.checkpointed, steps: 5, on: Device.cpu.backend, quantizesMoments: quantizesMoments)
      let recorded = try train(
        .checkpointed, steps: 5, on: RepeatingBackend(), gradients: .untilComplete,
        quantizesMoments: quantizesMoments, isRecorded: true)
      #expect(plain.losses == recorded.losses)
      #expect(plain.parameters.values.bits == recorded.parameters.values.bits)
    }
  }

  /// The norm is that of all gradients, and one that is no number makes only its own parameter skip the step.
  @Test(arguments: Device.kinds)
  func parametersSkipStepsOnTheirOwn(_ device: Device) throws {
    let (parameters, store) = try ParameterStore.build(
      on: device.backend, trainable: { _ in true }, gradients: .untilComplete,
      from: GivenNumbers(["a": [1, 2], "b": [3, 4]])
    ) { scope in try ["a", "b"].map { try scope.parameter($0, [2], initial: .constant(0)) } }
    let optimizer = AdamW([store], maximumGradientNorm: .infinity)
    func norm(_ factors: [Float]) -> Float {
      optimizer.prepareStep(learningRate: 0.1)
      let terms = zip(parameters, factors).map { ($0.variable * $1).sum() }
      (terms[0] + terms[1]).backward()
      return optimizer.step().scalar
    }
    let expected = (Float(2 * 3 * 3) + 2 * 4 * 4).squareRoot()
    #expect(abs(norm([3, 4]) - expected) <= 4 * expected.ulp)
    let before = parameters.map { $0.value.floats() }
    #expect(!norm([1, .infinity]).isFinite)
    #expect(parameters[0].value.floats() != before[0])
    #expect(parameters[1].value.floats() == before[1])
  }

  /// Without an arena a model takes less by the size of its gradients, but for those of the largest layer.
  @Test func gradientsTakeNoMemoryOnceTheyAreComplete() throws {
    func peak(_ gradients: ParameterStore.GradientKeeping) throws -> Int {
      let backend = NullBackend()
      let (layers, store) = try ParameterStore.build(
        on: backend, trainable: { _ in true }, gradients: gradients, from: InitialParameters(seed: 1)
      ) { scope in try (0..<8).map { try Linear(scope[$0], 256, 256) } }
      let optimizer = AdamW([store], maximumGradientNorm: .infinity)
      optimizer.prepareStep(learningRate: 1)
      let output = layers.reduce(Variable(Tensor(empty: [1, 256], on: backend))) { $1($0) }
      output.sum().backward()
      _ = optimizer.step()
      return backend.memory.peak
    }
    let layer = 4 * 256 * 257
    let saved = try peak(.arena) - peak(.untilComplete)
    #expect(saved > 6 * layer && saved < 8 * layer)
  }

  /// Moments in 8 bits steer a little differently: after fifty steps that bring the loss down to less than half, losses
  /// differ by hundredths of what was gained.
  @Test(arguments: Device.kinds)
  func momentsInEightBitsTrainAsWell(_ device: Device) throws {
    let exact = try train(.plain, steps: 50, on: device.backend)
    let coarse = try train(.plain, steps: 50, on: device.backend, quantizesMoments: true)
    #expect(exact.losses[49] < exact.losses[0] / 2)
    let gained = exact.losses[0] - exact.losses[49]
    #expect(abs(coarse.losses[49] - exact.losses[49]) < 0.05 * gained)
    #expect(coarse.losses[49] != exact.losses[49])
    #expect(coarse.optimizer.moments1.isEmpty && exact.optimizer.quantizedMoments.isEmpty)
  }

  /// Steps of a thousandth, where BFloat16 numbers above 1 are 0.0078 apart: the mean of many parameters moves as
  /// Float32 ones do, and rounding to the nearest would keep them where they are.
  @Test(arguments: Device.kinds, [ParameterStore.GradientKeeping.arena, .untilComplete])
  func roundedParametersMoveOnAverage(_ device: Device, _ gradients: ParameterStore.GradientKeeping) throws {
    let (count, steps) = (4096, 40)
    func train(_ masterType: DType) throws -> [Float] {
      let (parameter, store) = try ParameterStore.build(
        on: device.backend, trainable: { _ in true }, computeType: .bfloat16, masterType: masterType,
        gradients: gradients, from: GivenNumbers(["weight": [Float](repeating: 1, count: count)])
      ) { try $0.parameter("weight", [count], initial: .constant(0)) }
      let optimizer = AdamW(
        [store], AdamWConstants(weightDecay: 0), maximumGradientNorm: .infinity,
        rounding: RandomStream(seed: 4, stream: 9))
      #expect((store.shadow == nil) == (masterType == .bfloat16))
      for _ in 0..<steps {
        optimizer.prepareStep(learningRate: 0.001)
        let target = Tensor(repeating: 2, [count], on: device.backend)
        parameter.variable.cast(to: .float32).meanSquaredError(target).sum().backward()
        _ = optimizer.step()
      }
      return parameter.value.floats()
    }
    let exact = try train(.float32)
    let rounded = try train(.bfloat16)
    #expect(try train(.bfloat16) == rounded)
    #expect(rounded.allSatisfy { BFloat16($0).float == $0 })
    func mean(_ numbers: [Float]) -> Double { numbers.reduce(0) { $0 + Double($1) } / Double(count) }
    // Each rounding has a deviation of at most half a spacing; they are independent.
    let deviation = 0x1p-8 * (Double(steps) / Double(count)).squareRoot()
    #expect(abs(mean(rounded) - mean(exact)) < 5 * deviation)
    #expect(mean(exact) > 1.03)
  }
}
