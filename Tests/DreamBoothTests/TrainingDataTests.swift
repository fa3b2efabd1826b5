import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct TrainingDataTests {
  private let fixture: TrainingFixture
  private let model: TrainingModel

  init() throws {
    fixture = try TrainingFixture()
    model = try TrainingModel(ModelFolder(TrainingFixture.modelURL), fixture.configuration(), on: fixture.backend)
  }

  private func data(seed: UInt64 = 11, _ change: (inout TrainingConfiguration) -> Void = { _ in }) throws
    -> TrainingData
  {
    var configuration = fixture.configuration()
    configuration.trainBatchSize = 2
    change(&configuration)
    let preparation = TrainingPreparation(
      configuration: configuration, model: model, seed: seed, observer: { _ in })
    return try preparation.data(preparation.instancePictures(), preparation.classPictures())
  }

  private func batch(_ number: Int, of data: TrainingData) -> DenoisingStep.Batch {
    data.load(number)
    return data.batch()
  }

  private func numbers(_ number: Int, of data: TrainingData) -> [[Float]] { numbers(batch(number, of: data)) }

  private func numbers(_ batch: DenoisingStep.Batch) -> [[Float]] {
    [batch.latents.floats(), batch.noise.floats(), batch.timesteps.floats()]
  }

  @Test func aBatchFollowsFromTheSeedAndItsNumber() throws {
    let (one, same, other) = (try data(), try data(), try data(seed: 12))
    for number in [3, 0, 7] {
      let mine = numbers(number, of: one)
      #expect(mine == numbers(number, of: same))
      for (mine, others) in zip(mine, numbers(number, of: other)) { #expect(mine != others) }
      for (now, next) in zip(mine, numbers(number + 1, of: one)) { #expect(now != next) }
    }
  }

  @Test func latentsAreDrawnFromThePosterior() throws {
    var configuration = fixture.configuration()
    configuration.trainBatchSize = 2
    let pictures = try TrainingPictures(
      ImageFolder(URL(filePath: configuration.instanceDataDir)), configuration, seed: 11)
    let order = BatchOrder(imageCount: 3, batchSize: 2, seed: 11, .instanceOrder)
    let batch = batch(4, of: try data())
    let noise = TrainingStream.posterior.random(seed: 11).normals(batch.latents.count, draw: 4)
    let expected = order.images(inBatch: 4).enumerated().flatMap { place, picture -> [Float] in
      let view = pictures.views([picture], inBatch: 4, from: place)[0]
      let posterior = model.pipeline.autoencoder.encode(pictures.pixels(view, on: fixture.backend))
      let (mean, logVariance) = (posterior.mean.floats(), posterior.logVariance.floats())
      return mean.indices.map { index in
        mean[index] + Foundation.exp(logVariance[index] / 2) * noise[place * mean.count + index]
      }
    }
    let scale = model.folder.autoencoderConfiguration.scalingFactor
    #expect(relativeError(batch.latents.floats(), expected.map { $0 * scale }) < Tolerance.forward)
  }

  @Test func instancePicturesComeBeforeClassPictures() throws {
    let together = batch(5, of: try data { fixture.addPrior(&$0) })
    #expect(together.latents.shape[0] == 4)
    let states = together.encoderHiddenStates.value
    func state(_ place: Int) -> [Float] { states.rows(place..<place + 1).floats() }
    #expect(state(0) == state(1) && state(2) == state(3) && state(0) != state(2))
    // The instance half does not change because class pictures follow it.
    let alone = batch(5, of: try data())
    #expect(together.latents.rows(0..<2).floats() == alone.latents.floats())
    #expect(together.encoderHiddenStates.value.rows(0..<2).floats() == alone.encoderHiddenStates.value.floats())
  }

  @Test func timestepsAreUniform() throws {
    let data = try data { $0.trainBatchSize = 50 }
    let timesteps = (0..<20).flatMap { batch($0, of: data).timesteps.array(Int32.self) }
    #expect(timesteps.allSatisfy { (0..<1000).contains($0) })
    // The mean of 1000 numbers of a standard deviation of 289 lies within five times 9.1 of the middle.
    let mean = Double(timesteps.reduce(0) { $0 + Int($1) }) / Double(timesteps.count)
    #expect(abs(mean - 499.5) < 5 * 9.1, "\(mean)")
  }

  @Test func offsetNoiseMovesWholeChannels() throws {
    let plain = batch(2, of: try data()).noise
    let moved = batch(2, of: try data { $0.offsetNoise = true }).noise
    let offsets = TrainingStream.noiseOffset.random(seed: 11).normals(2 * 4, draw: 2)
    let pixels = plain.shape[1] * plain.shape[2]
    let expected = plain.floats().enumerated().map { index, value in
      value + 0.1 * offsets[index / (4 * pixels) * 4 + index % 4]
    }
    #expect(relativeError(moved.floats(), expected) < 1e-6)
    #expect(relativeError(moved.floats(), plain.floats()) > 0.01)
  }
}
