import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct LatentSourceTests {
  private let fixture: TrainingFixture
  private let autoencoder: AutoencoderKL

  init() throws {
    fixture = try TrainingFixture()
    autoencoder = try ModelFolder(TrainingFixture.modelURL).loadAutoencoder(on: fixture.backend).model
  }

  private func source(
    batchSize: Int, _ change: (inout TrainingConfiguration) -> Void
  ) throws -> (TrainingPictures, LatentSource) {
    var configuration = fixture.configuration()
    change(&configuration)
    let folder = try ImageFolder(URL(filePath: configuration.instanceDataDir, directoryHint: .isDirectory))
    let pictures = try TrainingPictures(folder, configuration, seed: 5)
    return (pictures, LatentSource(pictures, autoencoder, batchSize: batchSize, on: fixture.backend))
  }

  @Test func whatIsKeptIsWhatWouldBeEncoded() throws {
    let (pictures, source) = try source(batchSize: 4) { $0.randomFlip = true }
    #expect(source.isCached)
    let chosen = [2, 0, 1, 2]
    for batch in 0..<8 {
      source.load(chosen, inBatch: batch, from: 3)
      let kept = source.latents()
      for (index, view) in pictures.views(chosen, inBatch: batch, from: 3).enumerated() {
        let encoded = autoencoder.encode(pictures.pixels(view, on: fixture.backend))
        #expect(kept.mean.rows(index..<index + 1).floats() == encoded.mean.floats())
        let deviation = kept.standardDeviation.rows(index..<index + 1).floats()
        #expect(deviation == encoded.standardDeviation.floats())
      }
    }
  }

  @Test func randomCropsAreEncodedEachTime() throws {
    let (_, source) = try source(batchSize: 1) { $0.centerCrop = false }
    #expect(!source.isCached)
    func mean(inBatch batch: Int) -> [Float] {
      source.load([0], inBatch: batch, from: 0)
      return source.latents().mean.floats()
    }
    let first = mean(inBatch: 0)
    #expect(source.latents.shape[0] == 1)
    #expect((1..<8).contains { mean(inBatch: $0) != first })
  }
}
