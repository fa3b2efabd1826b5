import TestSupport
import Testing

@testable import DreamBooth

@Suite struct MinSNRWeightsTests {
  private let backend = CPUBackend()
  private let config: SchedulerConfig
  private let schedule: NoiseSchedule

  init() throws {
    config = try ModelFolder(Fixtures.configs("sd21")).schedulerConfiguration
    schedule = NoiseSchedule(config)
  }

  private func weights(_ prediction: PredictionType, _ timesteps: [Int32]) -> [Float] {
    let weights = MinSNRWeights(gamma: 5, schedule, prediction, on: backend)
    return weights(Tensor(timesteps, [timesteps.count], on: backend)).floats()
  }

  /// The forms in which the three weights are usually written, on timesteps on both sides of SNR = 5.
  @Test func equalTheFormulas() {
    let timesteps: [Int32] = [0, 1, 50, 200, 500, 999]
    let ratios = timesteps.map { schedule.signalToNoiseRatio(Int($0)) }
    #expect(ratios.contains { $0 > 5 } && ratios.contains { $0 < 5 })
    #expect(relativeError(weights(.epsilon, timesteps), ratios.map { min($0, 5) / $0 }) < 1e-6)
    #expect(relativeError(weights(.velocity, timesteps), ratios.map { min($0, 5) / ($0 + 1) }) < 1e-6)
    #expect(relativeError(weights(.sample, timesteps), ratios.map { min($0, 5) }) < 1e-6)
  }

  @Test func stayFiniteWhereNothingIsLeftOfThePicture() {
    var config = config
    config.rescaleBetasZeroSNR = true
    let schedule = NoiseSchedule(config)
    #expect(schedule.signalToNoiseRatio(999) == 0)
    let limits: [(PredictionType, Float)] = [(.epsilon, 1), (.velocity, 0), (.sample, 0)]
    for (prediction, expected) in limits {
      let weights = MinSNRWeights(gamma: 5, schedule, prediction, on: backend)
      #expect(weights(Tensor([Int32(999)], [1], on: backend)).floats() == [expected])
    }
  }
}
