import Autograd
import TestSupport
import Testing

/// A scaled loss, and steps that are skipped because their gradients are not finite. The arithmetic is Float32's, in
/// which scaling by a power of two is exact, so that runs can be compared bit for bit.
@Suite struct LossScalingTests {
  private static let rule = LossScaling(initialScale: 1024, growthInterval: 3)

  /// A small model and its optimiser.
  private struct Run {
    let blocks: [SmallBlock]
    let parameters: ParameterStore
    let optimizer: AdamW
    let input: Tensor

    init(_ lossScaling: LossScaling?, on backend: any Backend) throws {
      (blocks, parameters) = try SmallBlock.pair(on: backend)
      optimizer = AdamW([parameters], maximumGradientNorm: 0.1, lossScaling: lossScaling)
      input = SmallBlock.input(on: backend)
    }

    /// Takes a step.
    ///
    /// - Parameter factor: what the loss's derivative is multiplied by besides; infinity spoils the gradients.
    @discardableResult
    func step(_ factor: Float = 1) -> Float {
      let loss = blocks[1](blocks[0](Variable(input))).meanSquaredError(input).sum()
      loss.backward(optimizer.scaled(Tensor(repeating: factor, [], on: input.backend)))
      return optimizer.step(learningRate: 0.01).scalar
    }

    /// Parameters and moments.
    var bits: [[UInt32]] { [parameters.values, optimizer.moments1[0], optimizer.moments2[0]].map(\.bits) }
  }

  @Test(arguments: Device.kinds)
  func theScaleChangesNoStep(_ device: Device) throws {
    let plain = try Run(nil, on: device.backend)
    let scaled = try Run(Self.rule, on: device.backend)
    let start = plain.bits
    for _ in 0..<7 {
      let norm = plain.step()
      #expect(norm > 0.1, "nothing is clipped")
      #expect(scaled.step() == norm)
    }
    #expect(plain.bits != start)
    #expect(scaled.bits == plain.bits)
    #expect(scaled.optimizer.state == AdamW.State(updates: 7, lossScale: 4096, goodSteps: 1))
    #expect(plain.optimizer.state == AdamW.State(updates: 7))
  }

  /// A bad step is as if it had never been, but for the scale.
  @Test(arguments: Device.kinds, [Float.infinity, .nan])
  func stepsWithoutFiniteGradientsAreSkipped(_ device: Device, _ factor: Float) throws {
    let plain = try Run(nil, on: device.backend)
    let scaled = try Run(Self.rule, on: device.backend)
    for _ in 0..<2 {
      plain.step()
      scaled.step()
    }
    let before = scaled.bits
    #expect(!scaled.step(factor).isFinite)
    #expect(scaled.bits == before)
    #expect(scaled.optimizer.stepCount == 3)
    #expect(scaled.optimizer.state == AdamW.State(updates: 2, lossScale: 512, goodSteps: 0))
    for _ in 0..<2 {
      plain.step()
      scaled.step()
    }
    #expect(scaled.bits == plain.bits)
  }

  /// Without a scale, too, gradients that are no numbers leave the model as it is.
  @Test(arguments: Device.kinds)
  func aModelSurvivesBadGradients(_ device: Device) throws {
    let run = try Run(nil, on: device.backend)
    run.step()
    let before = run.bits
    #expect(!run.step(.nan).isFinite)
    #expect(run.bits == before)
    #expect(run.optimizer.state == AdamW.State(updates: 1))
  }

  @Test(arguments: Device.kinds)
  func aResumedOptimizerGoesOnBitForBit(_ device: Device) throws {
    let whole = try Run(Self.rule, on: device.backend)
    for factor in [1, .infinity, 1] as [Float] { whole.step(factor) }
    let resumed = try Run(Self.rule, on: device.backend)
    for (parameter, other) in zip(resumed.parameters.parameters, whole.parameters.parameters) {
      parameter.assign(whole.parameters.pytorch(other).array())
    }
    resumed.optimizer.moments1[0].assign(whole.optimizer.moments1[0])
    resumed.optimizer.moments2[0].assign(whole.optimizer.moments2[0])
    resumed.optimizer.resume(after: 3, whole.optimizer.state)
    #expect(resumed.optimizer.stepCount == 3)
    for _ in 0..<4 {
      whole.step()
      resumed.step()
    }
    #expect(resumed.bits == whole.bits)
    #expect(resumed.optimizer.state == AdamW.State(updates: 6, lossScale: 1024, goodSteps: 2))
    #expect(whole.optimizer.state == resumed.optimizer.state)
  }

  @Test func aStateThatCannotBeIsNoticed() {
    #expect(AdamW.State(updates: 3, lossScale: 1, goodSteps: 2).isPossible(after: 3))
    for state in [
      AdamW.State(updates: -1), AdamW.State(updates: 4), AdamW.State(updates: 1, lossScale: 0),
      AdamW.State(updates: 1, lossScale: .infinity), AdamW.State(updates: 1, lossScale: 2, goodSteps: -1),
    ] { #expect(!state.isPossible(after: 3), "\(state)") }
  }
}
