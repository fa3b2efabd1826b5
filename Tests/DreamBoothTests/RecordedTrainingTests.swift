import Foundation
import TestSupport
import Testing

@testable import DreamBooth

/// Steps that are recorded and replayed, and a host that does not wait for them.
@Suite struct RecordedTrainingTests {
  private let fixture: TrainingFixture

  init() throws {
    fixture = try TrainingFixture()
  }

  typealias Change = @Sendable (TrainingFixture, inout TrainingConfiguration) -> Void

  static let variants: [(name: String, change: Change)] = [
    ("plain", { _, _ in }),
    ("accumulation", { _, configuration in configuration.gradientAccumulationSteps = 2 }),
    ("long accumulation", { _, configuration in configuration.gradientAccumulationSteps = 4 }),
    ("checkpointing", { _, configuration in configuration.gradientCheckpointing = true }),
    (
      "text",
      { fixture, configuration in
        fixture.addPrior(&configuration)
        configuration.trainTextEncoder = true
        configuration.lrScheduler = .cosine
      }
    ),
    (
      "everything",
      { fixture, configuration in
        fixture.addEverything(&configuration)
        configuration.lrScheduler = .linear
      }
    ),
  ]

  static let devices = Device.kinds.map(\.description) + ["repeating"]

  private func backend(_ name: String) -> any Backend {
    Device.kinds.first { $0.description == name }?.backend ?? RepeatingBackend()
  }

  /// What a run of six steps tells, but for the time it took, and what it leaves.
  private func train(
    on backend: any Backend, recordsSteps: Bool, _ output: String, _ change: Change
  ) throws -> (records: [StepRecord], tensors: [String: Data]) {
    var configuration = fixture.configuration(output: output)
    configuration.maxTrainSteps = 6
    configuration.checkpointingSteps = 5
    change(fixture, &configuration)
    var records: [StepRecord] = []
    _ = try Trainer(configuration, on: backend, recordsSteps: recordsSteps) { event in
      guard case .stepped(var record, _) = event else { return }
      record.seconds = 0
      records.append(record)
    }.run()
    return (records, try fixture.tensors(output))
  }

  @Test(arguments: variants.indices, devices)
  func recordedStepsAreTheStepsThemselves(_ variant: Int, _ device: String) throws {
    let (backend, change) = (backend(device), Self.variants[variant].change)
    let eager = try train(on: backend, recordsSteps: false, "eager", change)
    #expect((backend as? RepeatingBackend)?.replayCount ?? 0 == 0)
    let recorded = try train(on: backend, recordsSteps: true, "recorded", change)
    // The first two steps are taken as they are, all four others from recordings.
    if let backend = backend as? RepeatingBackend { #expect(backend.replayCount >= 4) }
    #expect(eager.records.map(\.step) == [1, 2, 3, 4, 5, 6])
    #expect(Set(eager.records.map(\.loss)).count == 6)
    #expect(recorded.records == eager.records)
    #expect(eager.tensors.keys.contains("checkpoint-5/unet/optimizer.safetensors"))
    for (path, data) in eager.tensors { #expect(recorded.tensors[path] == data, "\(path)") }
  }

  /// Every step is told of once, in order, and a checkpoint only after its step.
  @Test func aDeviceThatIsAheadIsReportedInOrder() throws {
    var configuration = fixture.configuration()
    configuration.maxTrainSteps = 7
    configuration.checkpointingSteps = 3
    var events: [String] = []
    _ = try Trainer(configuration, on: RepeatingBackend()) { event in
      switch event {
      case .stepped(let record, _): events.append("\(record.step)")
      case .saved(let checkpoint): events.append(checkpoint.lastPathComponent)
      case .began("Saving the model"): events.append("model")
      default: break
      }
    }.run()
    #expect(events == ["1", "2", "3", "checkpoint-3", "4", "5", "6", "checkpoint-6", "7", "model"])
    let log = try String(contentsOfFile: fixture.path("output/log.jsonl"), encoding: .utf8)
    let lines = log.split(separator: "\n").dropFirst().map { Data($0.utf8) }
    #expect(try lines.map { try JSONDecoder().decode(StepRecord.self, from: $0).step } == [1, 2, 3, 4, 5, 6, 7])
  }

  /// The next step is set going before the losses of the last one are there, but not the one after it.
  @Test func theHostIsOneStepAhead() throws {
    let configuration = fixture.configuration()
    let model = try TrainingModel(ModelFolder(TrainingFixture.modelURL), configuration, on: RepeatingBackend())
    let preparation = TrainingPreparation(configuration: configuration, model: model, seed: 1, observer: { _ in })
    let data = try preparation.data(preparation.instancePictures(), nil)
    let session = TrainingSession(
      model.networks, configuration, stepCount: 4, load: data.load, batch: data.batch.callAsFunction)
    #expect(try session.nextRecord(waiting: true) == nil)
    session.advance()
    #expect(try session.nextRecord(waiting: false) == nil)
    session.advance()
    #expect(try session.nextRecord(waiting: false)?.step == 1)
    #expect(try session.nextRecord(waiting: false) == nil)
    #expect(session.step == 2)
    #expect(try session.nextRecord(waiting: true)?.step == 2)
    #expect(try session.nextRecord(waiting: true) == nil)
  }

  /// The first step is sound and leaves weights that are not; nothing is written of the second, however far the device
  /// has come when its loss is seen.
  @Test(arguments: [(steps: 2, checkpoint: 2), (steps: 4, checkpoint: 2), (steps: 4, checkpoint: 3), (2, 9)])
  func divergenceIsSeenBeforeAnythingIsWritten(_ steps: Int, _ checkpoint: Int) throws {
    var configuration = fixture.configuration()
    configuration.learningRate = 1e30
    configuration.maxTrainSteps = steps
    configuration.checkpointingSteps = checkpoint
    configuration.validationPrompt = "a photo of sks dog"
    configuration.validationSteps = 2
    configuration.validationInferenceSteps = 2
    var told: [Int] = []
    let trainer = try Trainer(configuration, on: RepeatingBackend()) { event in
      if case .stepped(let record, _) = event { told.append(record.step) }
    }
    #expect(throws: TrainingError.diverged(step: 2)) { try trainer.run() }
    #expect(told == [1])
    let written = try fixture.contents("output").keys
    #expect(written.sorted() == ["log.jsonl"])
  }

  /// The step that is under way when a stop is asked for counts, and the run goes on from it bit for bit.
  @Test func aStopWaitsForTheStepThatIsUnderWay() throws {
    let whole = try train(on: RepeatingBackend(), recordsSteps: true, "whole") { _, _ in }
    var configuration = fixture.configuration(output: "parts")
    configuration.maxTrainSteps = 6
    configuration.checkpointingSteps = 5
    let stop = StopSignal()
    var records: [StepRecord] = []
    let observer: TrainingObserver = { event in
      guard case .stepped(var record, _) = event else { return }
      record.seconds = 0
      records.append(record)
      if record.step == 3 { stop.request() }
    }
    let outcome = try Trainer(configuration, on: RepeatingBackend(), stop: stop, observer: observer).run()
    guard case .stopped(let checkpoint?) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(checkpoint.lastPathComponent == "checkpoint-4")
    configuration.resumeFromCheckpoint = "latest"
    _ = try Trainer(configuration, on: RepeatingBackend(), observer: observer).run()
    #expect(records == whole.records)
    let found = try fixture.tensors("parts")
    for (path, data) in whole.tensors { #expect(found[path] == data, "\(path)") }
  }

  /// A sample in the middle of training finds all steps done and disturbs none.
  @Test func samplesDoNotDisturbRecordedSteps() throws {
    let plain = try train(on: RepeatingBackend(), recordsSteps: true, "plain") { _, _ in }
    let sampled = try train(on: RepeatingBackend(), recordsSteps: true, "sampled") { _, configuration in
      configuration.validationPrompt = "a photo of sks dog"
      configuration.validationSteps = 2
      configuration.validationInferenceSteps = 5
      configuration.scheduler = .ddim
    }
    #expect(sampled.records == plain.records)
    for (path, data) in plain.tensors { #expect(sampled.tensors[path] == data, "\(path)") }
  }
}
