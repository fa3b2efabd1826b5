import Foundation
import Images
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct TrainerTests {
  private let fixture: TrainingFixture

  init() throws {
    fixture = try TrainingFixture()
  }

  @Test func theTrainedModelIsAFolderThatOpens() throws {
    var configuration = fixture.configuration()
    configuration.trainTextEncoder = true
    configuration.maxTrainSteps = 2
    let outcome = try fixture.run(configuration)
    #expect(outcome == .finished(model: URL(filePath: configuration.outputDir, directoryHint: .isDirectory)))
    // Once more over the model that stands there by now.
    try fixture.run(configuration)
    let trained = try ModelFolder(folder("output"))
    _ = try TextToImage(trained, on: fixture.backend)
    let original = try ModelFolder(TrainingFixture.modelURL)
    #expect(try unet(trained) != unet(original))
    let files = try fixture.contents("output")
    #expect(files.keys.filter { $0.hasPrefix(".") } == [])
    #expect(files.keys.contains("log.1.jsonl"))
  }

  private func folder(_ name: String) -> URL { URL(filePath: fixture.path(name), directoryHint: .isDirectory) }

  private func unet(_ folder: ModelFolder) throws -> [Float] {
    let (_, store) = try folder.loadUNet(on: fixture.backend) { _ in true }
    return store.values.floats()
  }

  @Test func everyStepIsLogged() throws {
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.lrScheduler = .linear
    var seen: [StepRecord] = []
    try fixture.run(configuration) { event in
      if case .stepped(let record, let total) = event {
        seen.append(record)
        #expect(total == 4)
      }
    }
    let text = try String(contentsOfFile: fixture.path("output/log.jsonl"), encoding: .utf8)
    let lines = text.split(separator: "\n").map { Data($0.utf8) }
    #expect(try lines.dropFirst().map { try JSONDecoder().decode(StepRecord.self, from: $0) } == seen)
    #expect(seen.map(\.step) == [1, 2, 3, 4])
    #expect(seen.map(\.learningRate) == [1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
    for record in seen {
      let prior = try #require(record.priorLoss)
      #expect(relativeError([record.loss], [record.instanceLoss + prior]) < 1e-6)
      #expect((record.gradientNorm ?? 0) > 0)
    }
  }

  @Test func samplesComeAtIntervalsFromFixedSeeds() throws {
    var configuration = fixture.configuration()
    configuration.validationPrompt = "a photo of sks dog on the beach"
    configuration.validationSteps = 2
    configuration.numValidationImages = 2
    configuration.scheduler = .ddim
    configuration.validationInferenceSteps = 2
    var sampled: [[URL]] = []
    try fixture.run(configuration) { event in
      if case .sampled(let images) = event { sampled.append(images) }
    }
    #expect(sampled.map(\.count) == [2, 2])
    let files = try fixture.contents("output/samples")
    #expect(files.keys.sorted() == ["step-2/0.png", "step-2/1.png", "step-4/0.png", "step-4/1.png"])
    #expect(Set(files.values).count == 4)
    // The last picture is what the saved model makes of the same seed.
    var request = TextToImageRequest(prompts: ["a photo of sks dog on the beach"])
    request.steps = 2
    request.height = 16
    request.width = 16
    request.seeds = [12]
    let model = try ModelFolder(folder("output"))
    let pipeline = try TextToImage(model, on: fixture.backend)
    let pictures = try pipeline(request, scheduler: DDIMScheduler(model.schedulerConfiguration))
    let sample = try Image(contentsOf: sampled[1][1])
    #expect(try pictures.images() == [sample])
  }

  /// Whatever a step takes it gives back: 100 steps hold no more memory than 3. On one thread, since it is left to
  /// chance what several of them take at the same time.
  @Test func noMemoryIsLost() throws {
    let fixture = try TrainingFixture(threads: 1)
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.trainTextEncoder = true
    configuration.maxTrainSteps = 100
    var live: [Int] = []
    var peak: [Int] = []
    try fixture.run(configuration) { event in
      guard case .stepped = event else { return }
      live.append(fixture.backend.memory.live)
      peak.append(fixture.backend.memory.peak)
    }
    #expect(live.count == 100)
    #expect(Set(live.dropFirst(2)).count == 1)
    #expect(peak[99] == peak[2])
    #expect(fixture.backend.memory.live == 0)
  }

  @Test func aLossThatIsNoNumberEndsTheRunWithoutACheckpoint() throws {
    var configuration = fixture.configuration()
    configuration.learningRate = 1e30
    configuration.checkpointingSteps = 2
    // The first step is taken with sound weights; those it leaves behind are not.
    #expect(throws: TrainingError.diverged(step: 2)) { try fixture.run(configuration) }
    #expect(try CheckpointFolder(folder("output")).steps() == [])
    #expect(!fixture.exists("output/model_index.json"))
  }

  /// The steps since the last checkpoint are saved, whatever the run fails of.
  @Test func anErrorAfterAStepSavesACheckpoint() throws {
    var configuration = fixture.configuration()
    configuration.validationPrompt = "a photo of sks dog"
    configuration.validationSteps = 3
    configuration.validationInferenceSteps = 2
    // A file where the sample pictures' folder should be.
    let samples = folder("output").appending(path: "samples")
    try FileManager.default.createDirectory(at: folder("output"), withIntermediateDirectories: false)
    try Data("mine".utf8).write(to: samples)
    var saved: [URL] = []
    #expect(throws: FileError.self) {
      try fixture.run(configuration) { event in
        if case .saved(let checkpoint) = event { saved.append(checkpoint) }
      }
    }
    #expect(saved.map(\.lastPathComponent) == ["checkpoint-3"])
    try FileManager.default.removeItem(at: samples)
    configuration.resumeFromCheckpoint = "latest"
    try fixture.run(configuration)
    #expect(fixture.exists("output/model_index.json"))
  }

  /// What stands where the model is to go is found out before the first step and left alone.
  @Test(arguments: ["unet/notes.txt", "tokenizer/old/vocab.json", "model_index.json/mine", "vae"])
  func whatIsNoModelIsNotOverwritten(_ entry: String) throws {
    let place = folder("output").appending(path: entry)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data("mine".utf8).write(to: place)
    var steps = 0
    let error = #expect(throws: ModelFolderError.self) {
      try fixture.run(fixture.configuration()) { event in
        if case .stepped = event { steps += 1 }
      }
    }
    #expect(error?.description.contains("output/\(entry.split(separator: "/")[0])") == true)
    #expect(steps == 0)
    #expect(try String(contentsOf: place, encoding: .utf8) == "mine")
  }

  @Test func aLinkInAPlaceOfTheModelIsLeftAlone() throws {
    let target = folder("class")
    try FileManager.default.createDirectory(at: folder("output"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      at: folder("output").appending(path: "unet"), withDestinationURL: target)
    #expect(throws: ModelFolderError.self) { try fixture.run(fixture.configuration()) }
    #expect(try fixture.contents("class").count == 4)
  }

  @Test func moreStepsThanCanBeCountedAreRefused() throws {
    var configuration = fixture.configuration()
    configuration.maxTrainSteps = nil
    configuration.numTrainEpochs = 1 << 20
    let error = #expect(throws: TrainingOptionError.self) { try fixture.run(configuration) }
    #expect(error?.option == .numTrainEpochs)
  }

  @Test func anOutputFolderThatCannotBeMadeIsNamed() throws {
    let configuration = fixture.configuration(output: "subject/0.png/output")
    let error = #expect(throws: FileError.self) { try fixture.run(configuration) }
    #expect(error?.path.contains("subject/0.png/output") == true)
  }

  @Test func theResolutionMustFitTheModel() throws {
    var configuration = fixture.configuration()
    configuration.resolution = 17
    let error = #expect(throws: TrainingOptionError.self) { try fixture.run(configuration) }
    #expect(error?.option == .resolution)
    #expect(!fixture.exists("output"))
  }

  @Test func unusedFilesAreNamed() throws {
    try Data("a dog".utf8).write(to: folder("subject").appending(path: "0.txt"))
    var warnings: [String] = []
    var configuration = fixture.configuration()
    configuration.maxTrainSteps = 1
    try fixture.run(configuration) { event in
      if case .warning(let text) = event { warnings.append(text) }
    }
    #expect(warnings.count == 1 && warnings[0].contains("0.txt"))
  }

  /// The sum of two batches' gradients, halved, is what one optimiser step sees.
  @Test func accumulationAveragesBatches() throws {
    let model = try TrainingModel(
      try ModelFolder(TrainingFixture.modelURL), fixture.configuration(), on: fixture.backend)
    func norm(accumulating steps: Int) throws -> (losses: Float, norm: Float) {
      var configuration = fixture.configuration()
      configuration.gradientAccumulationSteps = steps
      let preparation = TrainingPreparation(
        configuration: configuration, model: model, seed: 11, observer: { _ in })
      // The same batch each time, so that its average is itself.
      let data = try preparation.data(preparation.instancePictures(), nil)
      let session = TrainingSession(
        model.networks, configuration, stepCount: 1, load: { _ in data.load(0) }, batch: data.batch.callAsFunction)
      session.advance()
      let record = try #require(try session.nextRecord(waiting: true))
      return (record.loss, try #require(record.gradientNorm))
    }
    let weights = model.parts[0].parameters.values
    let before = Tensor(weights.floats(), weights.shape, on: weights.backend)
    let one = try norm(accumulating: 1)
    weights.assign(before)
    let four = try norm(accumulating: 4)
    #expect(relativeError([four.losses], [one.losses]) < 1e-6)
    #expect(relativeError([four.norm], [one.norm]) < Tolerance.forward)
  }
}
