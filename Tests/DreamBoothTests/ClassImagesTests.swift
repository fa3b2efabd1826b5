import Foundation
import Images
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct ClassImagesTests {
  private let fixture: TrainingFixture
  private let model: ModelFolder
  private let pipeline: TextToImage

  init() throws {
    fixture = try TrainingFixture()
    model = try ModelFolder(TrainingFixture.modelURL)
    pipeline = try TextToImage(model, on: fixture.backend)
  }

  private func images(_ count: Int, in name: String = "generated", seed: UInt64 = 3) -> ClassImages {
    var configuration = fixture.configuration()
    configuration.numClassImages = count
    // One at a time, so that a picture is the same to the last bit whatever it is made together with.
    configuration.sampleBatchSize = 1
    configuration.classInferenceSteps = 2
    return ClassImages(
      configuration, folder: URL(filePath: fixture.path(name), directoryHint: .isDirectory),
      prompt: "a photo of a dog", seed: seed)
  }

  private func generate(_ images: ClassImages, stopAfter limit: Int = .max) throws -> Bool {
    let stop = StopSignal()
    return try images.generate(
      with: pipeline, scheduler: model.schedulerConfiguration.makeScheduler(), stop: stop
    ) { done, _ in if done >= limit { stop.request() } }
  }

  @Test func anInterruptedFolderEndsUpAsAnUninterruptedOne() throws {
    #expect(try generate(images(5, in: "whole")))
    #expect(try !generate(images(5), stopAfter: 2))
    #expect(try images(5).missing() == [2, 3, 4])
    #expect(try images(2, in: "new").missing() == [0, 1])
    #expect(!fixture.exists("new"))
    try FileManager.default.removeItem(atPath: fixture.path("generated/class-00000.png"))
    #expect(try images(5).missing() == [0, 2, 3, 4])
    #expect(try generate(images(5)))
    #expect(try images(5).missing() == [])
    #expect(try fixture.contents("generated") == fixture.contents("whole"))
  }

  /// The pixels differ, not only the texts that are stored with them.
  @Test func noPictureIsMadeTwice() throws {
    #expect(try generate(images(2)))
    #expect(try generate(images(4)))
    #expect(try generate(images(6, seed: 4)))
    let names = try fixture.contents("generated").keys.sorted()
    #expect(names == (0..<6).map { "class-0000\($0).png" })
    let pictures = try names.map { name in
      try Image(contentsOf: URL(filePath: fixture.path("generated/\(name)"))).pixels
    }
    #expect(Set(pictures).count == 6)
  }

  @Test func theUsersOwnPicturesCount() throws {
    #expect(try images(4, in: "class").missing() == [])
    #expect(try images(6, in: "class").missing() == [0, 1])
    #expect(try generate(images(6, in: "class")))
    #expect(try ImageFolder(URL(filePath: fixture.path("class"))).count == 6)
  }

  @Test func aRunGeneratesWhatItLacks() throws {
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.numClassImages = 6
    configuration.classInferenceSteps = 2
    configuration.maxTrainSteps = 1
    try fixture.run(configuration)
    #expect(try ImageFolder(URL(filePath: fixture.path("class"))).count == 6)
  }

  @Test func aStopDuringGenerationEndsTheRun() throws {
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.numClassImages = 20
    configuration.sampleBatchSize = 1
    configuration.classInferenceSteps = 2
    let stop = StopSignal()
    let outcome = try fixture.run(configuration, stop: stop) { event in
      if case .progressed(_, let done, let total) = event, total == 16, done == 2 { stop.request() }
    }
    #expect(outcome == .stopped(checkpoint: nil))
    #expect(try ImageFolder(URL(filePath: fixture.path("class"))).count == 6)
  }
}
