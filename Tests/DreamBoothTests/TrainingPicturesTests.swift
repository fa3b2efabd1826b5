import Foundation
import Images
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct TrainingPicturesTests {
  private let folder: TemporaryFolder
  private let backend = CPUBackend()
  private var configuration = TrainingConfiguration(
    pretrainedModelNameOrPath: "model", instanceDataDir: "dog", instancePrompt: "a photo of sks dog", outputDir: "out")

  init() throws {
    folder = try TemporaryFolder()
    configuration.resolution = 8
  }

  /// Pictures whose every pixel is different.
  private func makePictures(_ sizes: [(Int, Int)]) throws -> ImageFolder {
    for (index, (width, height)) in sizes.enumerated() {
      let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ index) }
      let url = folder.url.appending(path: "\(index).png")
      try Image(width: width, height: height, pixels: pixels).writePNG(to: url)
    }
    return try ImageFolder(folder.url)
  }

  @Test func aPictureThatFitsHasOneViewOrTwo() throws {
    let folder = try makePictures([(8, 8), (8, 8), (8, 8)])
    var configuration = configuration
    configuration.centerCrop = false
    var pictures = try TrainingPictures(folder, configuration, seed: 1)
    #expect(pictures.allViews?.count == 3)
    configuration.randomFlip = true
    pictures = try TrainingPictures(folder, limit: 2, configuration, seed: 1)
    let views = try #require(pictures.allViews)
    #expect(views.count == 4)
    // Whatever a batch may ask for is among them.
    let asked = Set((0..<100).flatMap { pictures.views([0, 1], inBatch: $0, from: 0) })
    #expect(asked == Set(views))
    let upright = pictures.pixels(views[0], on: backend).floats()
    let mirrored = pictures.pixels(views[2], on: backend).floats()
    #expect(mirrored[0..<3] == upright[21..<24])
  }

  @Test func randomCropsStayInsideAndReachBothEdges() throws {
    var configuration = configuration
    configuration.centerCrop = false
    let pictures = try TrainingPictures(try makePictures([(8, 12), (20, 8)]), configuration, seed: 1)
    #expect(pictures.allViews == nil)
    let views = (0..<200).flatMap { pictures.views([0, 1], inBatch: $0, from: 0) }
    #expect(Set(views.filter { $0.picture == 0 }.map(\.y)) == Set(0...4))
    #expect(Set(views.filter { $0.picture == 1 }.map(\.x)) == Set(0...12))
    #expect(views.allSatisfy { $0.picture == 0 ? $0.x == 0 : $0.y == 0 })
    #expect(pictures.pixels(views[0], on: backend).shape == [1, 8, 8, 3])
  }

  @Test func theMiddleIsTakenByDefault() throws {
    let pictures = try TrainingPictures(try makePictures([(8, 12)]), configuration, seed: 1)
    let view = try #require(pictures.allViews?.first)
    let image = try Image(contentsOf: folder.url.appending(path: "0.png"))
    #expect(
      pictures.pixels(view, on: backend).floats()
        == image.centerCropped(width: 8, height: 8).normalized(.interleaved))
  }

  /// The place in the batch counts, not the call: class pictures get other numbers than instance pictures.
  @Test func viewsBelongToThePlaceInTheBatch() throws {
    var configuration = configuration
    configuration.centerCrop = false
    let pictures = try TrainingPictures(try makePictures([(8, 200)]), configuration, seed: 1)
    let together = pictures.views([0, 0, 0], inBatch: 5, from: 0)
    #expect(together == [0, 1, 2].flatMap { pictures.views([0], inBatch: 5, from: $0) })
    #expect(Set(together).count == 3)
  }
}
