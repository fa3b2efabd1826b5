import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct DenoisingStepTests {
  private let backend = CPUBackend()
  private let folder: ModelFolder
  private let unet: UNet2DConditionModel
  private let batch: DenoisingStep.Batch

  init() throws {
    folder = try ModelFolder(TrainingFixture.modelURL)
    unet = try folder.loadUNet(on: backend).model
    let inputs = try Fixtures.golden("train-step/sd1.inputs")
    let shape = try inputs.entry("latents").shape
    let outputs = try Fixtures.golden("train-step/sd1.outputs")
    let statesShape = try outputs.entry("encoder_hidden_states").shape
    let states = Tensor(try outputs.floats("encoder_hidden_states"), statesShape, on: backend)
    batch = DenoisingStep.Batch(
      latents: Tensor(try inputs.floats("latents"), shape, on: backend).channelsLast(),
      noise: Tensor(try inputs.floats("noise"), shape, on: backend).channelsLast(),
      timesteps: Tensor([Int32(3), 700], [2], on: backend), encoderHiddenStates: Variable(states))
  }

  private func step(snrGamma: Double?) -> DenoisingStep {
    DenoisingStep(
      unet, folder.schedulerConfiguration,
      PriorPreservationLoss(instanceCount: 1, classCount: 1, weight: 0.5, on: backend), snrGamma: snrGamma,
      checkpointing: false, on: backend)
  }

  /// The weight of each picture's own timestep reaches both losses: one far below and one far above SNR = 5.
  @Test func minSNRWeighsInstanceAndPriorAlike() throws {
    let plain = step(snrGamma: nil)(batch).loss
    let weighted = step(snrGamma: 5)(batch).loss
    let schedule = NoiseSchedule(folder.schedulerConfiguration)
    let weights = [3, 700].map { min(schedule.signalToNoiseRatio($0), 5) / schedule.signalToNoiseRatio($0) }
    #expect(weights[0] < 0.1 && weights[1] == 1)
    let prior = try #require(plain.prior).scalar
    #expect(relativeError([weighted.instance.scalar], [weights[0] * plain.instance.scalar]) < 1e-6)
    #expect(relativeError([try #require(weighted.prior).scalar], [weights[1] * prior]) < 1e-6)
    let total = weights[0] * plain.instance.scalar + 0.5 * weights[1] * prior
    #expect(relativeError([weighted.total.value.scalar], [total]) < 1e-6)
  }
}
