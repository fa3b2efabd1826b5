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

  private func source(_ change: (inout TrainingConfiguration) -> Void) throws -> (TrainingPictures, LatentSource) {
    var configuration = fixture.configuration()
    change(&configuration)
    let folder = try ImageFolder(URL(filePath: configuration.instanceDataDir, directoryHint: .isDirectory))
    let pictures = try TrainingPictures(folder, configuration, seed: 5)
    return (pictures, LatentSource(pictures, autoencoder, on: fixture.backend))
  }

  @Test func whatIsKeptIsWhatWouldBeEncoded() throws {
    let (pictures, source) = try source { $0.randomFlip = true }
    #expect(source.isCached)
    let chosen = [2, 0, 1, 2]
    for batch in 0..<8 {
      let kept = source.distributions(chosen, inBatch: batch, from: 3)
      for (index, view) in pictures.views(chosen, inBatch: batch, from: 3).enumerated() {
        let encoded = autoencoder.encode(pictures.pixels(view, on: fixture.backend))
        #expect(kept.mean.rows(index..<index + 1).floats() == encoded.mean.floats())
        let deviation = kept.standardDeviation.rows(index..<index + 1).floats()
        #expect(deviation == encoded.standardDeviation.floats())
      }
    }
  }

  @Test func randomCropsAreEncodedEachTime() throws {
    let (_, source) = try source { $0.centerCrop = false }
    #expect(!source.isCached)
    let first = source.distributions([0], inBatch: 0, from: 0).mean
    #expect(first.shape[0] == 1)
    let others = (1..<8).map { source.distributions([0], inBatch: $0, from: 0).mean.floats() }
    #expect(others.contains { $0 != first.floats() })
  }
}
