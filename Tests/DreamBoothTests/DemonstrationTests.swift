import Foundation
import Images
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct DemonstrationTests {
  private let fixture: TrainingFixture

  private static let plan = """
    {
      "instance_prompt": "a photo of sks dog", "class_prompt": "a photo of a dog",
      "subject_prompts": ["sks dog in space", "sks dog in the snow"], "class_prompts": ["a dog in space"],
      "resolution": 16, "class_images": 2, "steps": 4, "batch_size": 1, "learning_rate": 1e-3, "prior_loss_weight": 1,
      "train_text_encoder": false, "inference_steps": 2, "guidance_scale": 1, "seed": 3
    }
    """

  init() throws {
    fixture = try TrainingFixture()
    let demo = fixture.folder.url.appending(path: "demo", directoryHint: .isDirectory)
    let files = FileManager.default
    try files.createDirectory(at: demo.appending(path: "captions"), withIntermediateDirectories: true)
    try files.moveItem(atPath: fixture.path("subject"), toPath: fixture.path("demo/photos"))
    for name in ["photos", "before", "after", "class"] {
      try Image(width: 20, height: 8, color: .white).writePNG(to: demo.appending(path: "captions/\(name).png"))
    }
    try Data(Self.plan.utf8).write(to: demo.appending(path: "demo.json"))
  }

  private func run(
    _ output: String, stop: StopSignal = StopSignal(), observer: @escaping TrainingObserver = { _ in }
  ) throws -> Demonstration.Outcome {
    try Demonstration(
      fixture.folder.url.appending(path: "demo"), model: TrainingFixture.modelURL,
      output: fixture.folder.url.appending(path: output, directoryHint: .isDirectory), on: fixture.backend, stop: stop,
      observer: observer
    ).run()
  }

  @Test func anInterruptedOneGoesOn() throws {
    let stop = StopSignal()
    let outcome = try run("parts", stop: stop) { event in
      if case .stepped(let record, _) = event, record.step == 2 { stop.request() }
    }
    guard case .stopped = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(fixture.exists("parts/model/checkpoint-2"))
    var steps: [Int] = []
    let resumed = try run("parts") { event in
      if case .stepped(let record, _) = event { steps.append(record.step) }
    }
    guard case .finished(let picture, let report) = resumed else {
      Issue.record("\(resumed)")
      return
    }
    #expect(steps == [3, 4])
    let stored = try JSONDecoder().decode(Demonstration.Report.self, from: Data(contentsOf: report))
    #expect(stored.steps == 4 && stored.finalLoss != nil)
    // Equal to one that was not interrupted, and ready to be carried out again.
    guard case .finished(let whole, _) = try run("whole") else {
      Issue.record("not finished")
      return
    }
    #expect(try Data(contentsOf: picture) == Data(contentsOf: whole))
    #expect(!fixture.exists("parts/model/checkpoint-2"))
    guard case .finished = try run("parts") else {
      Issue.record("not finished")
      return
    }
  }

  @Test(arguments: ["Drawing before", "Drawing after", "Drawing the class"])
  func aStopEndsTheDrawing(_ stage: String) throws {
    let stop = StopSignal()
    let outcome = try run("output", stop: stop) { event in
      if case .progressed(stage, let done, _) = event, done == 1 { stop.request() }
    }
    guard case .stopped = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(!fixture.exists("output/demo.png"))
  }

  @Test func aPlanThatIsNoneIsNamedInOneLine() throws {
    let plan = fixture.folder.url.appending(path: "demo/demo.json")
    for text in ["{", Self.plan.replacing("\"steps\": 4", with: "\"steps\": \"four\"")] {
      try Data(text.utf8).write(to: plan)
      let error = #expect(throws: DemonstrationPlanError.self) { try DemonstrationPlan(contentsOf: plan) }
      #expect(error?.description.contains("demo.json") == true)
      #expect(error?.description.contains("\n") == false)
    }
    try FileManager.default.removeItem(at: plan)
    #expect(throws: FileError.self) { try DemonstrationPlan(contentsOf: plan) }
  }
}
