import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct ResumeTests {
  private let fixture: TrainingFixture

  init() throws {
    fixture = try TrainingFixture()
  }

  typealias Change = @Sendable (TrainingFixture, inout TrainingConfiguration) -> Void

  /// Cached and random crops, trained and frozen text, with and without everything that is drawn at random.
  static let variants: [(name: String, change: Change)] = [
    ("plain", { _, _ in }),
    ("cosine", { _, configuration in configuration.lrScheduler = .cosine }),
    (
      "saving memory",
      { _, configuration in
        configuration.trainTextEncoder = true
        configuration.gradientCheckpointing = true
        configuration.use8bitAdam = true
        configuration.fusedBackwardPass = true
        configuration.maxGradNorm = .infinity
      }
    ),
    (
      "everything",
      { fixture, configuration in
        fixture.addEverything(&configuration)
        configuration.lrScheduler = .constantWithWarmup
        configuration.lrWarmupSteps = 3
      }
    ),
  ]

  @Test(arguments: variants.indices)
  func twoAndTwoStepsAreFour(_ variant: Int) throws {
    var whole = fixture.configuration(output: "whole")
    Self.variants[variant].change(fixture, &whole)
    whole.checkpointingSteps = 4
    try fixture.run(whole)

    var parts = whole
    parts.outputDir = fixture.path("parts")
    parts.checkpointingSteps = 2
    // Some curves depend on the length of the run, which must then be the same from the beginning.
    parts.maxTrainSteps = whole.lrScheduler == .constant ? 2 : 4
    let stop = StopSignal()
    try fixture.run(parts, stop: stop) { event in
      if case .stepped(let record, _) = event, record.step == 2 { stop.request() }
    }
    #expect(try CheckpointFolder(URL(filePath: parts.outputDir)).steps() == [2])
    parts.maxTrainSteps = 4
    parts.resumeFromCheckpoint = "latest"
    // The seed is known to the checkpoint.
    parts.seed = nil
    var resumedAt: Int?
    try fixture.run(parts) { event in
      if case .resumed(let step, _) = event { resumedAt = step }
    }
    #expect(resumedAt == 2)

    let expected = try fixture.tensors("whole")
    #expect(expected.keys.contains("unet/diffusion_pytorch_model.safetensors"))
    #expect(expected.keys.contains("checkpoint-4/unet/optimizer.safetensors"))
    let found = try fixture.tensors("parts")
    for (path, data) in expected { #expect(found[path] == data, "\(path)") }
  }

  // MARK: - Other versions

  /// Changes the configuration in the JSON of a checkpoint and of the first line of its log, and what else the former has.
  private func edit(
    _ folder: String, _ change: (inout [String: Any]) -> Void, state: (inout [String: Any]) -> Void = { _ in }
  ) throws {
    func edited(_ json: Data, _ members: [String]) throws -> Data {
      var root = try #require(JSONSerialization.jsonObject(with: json) as? [String: Any])
      var inner = members.isEmpty ? root : try #require(root[members[0]] as? [String: Any])
      var configuration = try #require(inner["configuration"] as? [String: Any])
      change(&configuration)
      inner["configuration"] = configuration
      if members.isEmpty { root = inner } else { root[members[0]] = inner }
      if !members.isEmpty { state(&root) }
      return try JSONSerialization.data(withJSONObject: root)
    }
    let stateFile = URL(filePath: fixture.path("\(folder)/checkpoint-2/state.json"))
    try edited(Data(contentsOf: stateFile), ["state"]).write(to: stateFile)
    let log = URL(filePath: fixture.path("\(folder)/log.jsonl"))
    var lines = try Data(contentsOf: log).split(separator: UInt8(ascii: "\n"))
    lines[0] = try edited(lines[0], [])
    try Data(lines.joined(separator: [UInt8(ascii: "\n")]) + [UInt8(ascii: "\n")]).write(to: log)
  }

  /// A run that is stopped after two steps of four.
  private func runHalf(_ output: String) throws -> TrainingConfiguration {
    var configuration = fixture.configuration(output: output)
    configuration.checkpointingSteps = 2
    let stop = StopSignal()
    try fixture.run(configuration, stop: stop) { event in
      if case .stepped(let record, _) = event, record.step == 2 { stop.request() }
    }
    configuration.resumeFromCheckpoint = "latest"
    return configuration
  }

  @Test func checkpointsOfEarlierVersionsAreContinued() throws {
    var whole = fixture.configuration(output: "whole")
    whole.checkpointingSteps = 4
    try fixture.run(whole)
    let half = try runHalf("half")
    let newer = ["ema", "train_unet", "mixed_precision", "full_bf16", "use_8bit_adam", "fused_backward_pass"]
    try edit("half") { configuration in
      for option in newer { #expect(configuration.removeValue(forKey: option) != nil, "\(option)") }
    } state: {
      #expect($0.removeValue(forKey: "optimizer") != nil)
    }
    try fixture.run(half)
    let found = try fixture.tensors("half")
    for (path, data) in try fixture.tensors("whole") { #expect(found[path] == data, "\(path)") }
    let log = try String(contentsOf: URL(filePath: fixture.path("half/log.jsonl")), encoding: .utf8)
    #expect(log.split(separator: "\n").count == 1 + 4 && log.hasPrefix(#"{"configuration":"#))
  }

  @Test func optionsOfLaterVersionsAreNotPassedOver() throws {
    let half = try runHalf("half")
    try edit("half") { $0["an_option_of_tomorrow"] = true }
    let checkpoint = URL(filePath: fixture.path("half/checkpoint-2"))
    let error = #expect(throws: RunCheckpointError.self) { try RunCheckpoint(checkpoint) }
    #expect(error?.description.contains("of another version") == true)
    #expect(throws: RunCheckpointError.self) { try fixture.run(half) }
    #expect(fixture.exists("half/checkpoint-2/state.json"))
  }

  @Test func aStopSavesACheckpointAndEndsTheRun() throws {
    let stop = StopSignal()
    var steps: [Int] = []
    let outcome = try fixture.run(fixture.configuration(), stop: stop) { event in
      guard case .stepped(let record, _) = event else { return }
      steps.append(record.step)
      if record.step == 3 { stop.request() }
    }
    #expect(steps == [1, 2, 3])
    let checkpoint = URL(filePath: fixture.path("output/checkpoint-3"), directoryHint: .isDirectory)
    guard case .stopped(let saved?) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(saved.standardizedFileURL == checkpoint.standardizedFileURL)
    #expect(try RunCheckpoint(checkpoint).state.step == 3)
    #expect(!fixture.exists("output/model_index.json"))
  }

  @Test func gradientCheckpointingChangesNoBit() throws {
    var configuration = fixture.configuration(output: "kept")
    configuration.trainTextEncoder = true
    configuration.maxTrainSteps = 2
    try fixture.run(configuration)
    configuration.outputDir = fixture.path("recomputed")
    configuration.gradientCheckpointing = true
    try fixture.run(configuration)
    #expect(try fixture.tensors("kept") == fixture.tensors("recomputed"))
  }

  /// Whether gradients are kept is nothing that the numbers show, with and without recomputed activations.
  @Test func stepsInTheBackwardPassChangeNoBit() throws {
    var configuration = fixture.configuration(output: "after")
    fixture.addPrior(&configuration)
    configuration.trainTextEncoder = true
    configuration.maxGradNorm = .infinity
    try fixture.run(configuration)
    configuration.fusedBackwardPass = true
    for checkpointing in [false, true] {
      configuration.gradientCheckpointing = checkpointing
      configuration.outputDir = fixture.path("inside \(checkpointing)")
      try fixture.run(configuration)
      #expect(try fixture.tensors("after") == fixture.tensors("inside \(checkpointing)"))
    }
  }

  /// Moments in 8 bits change the numbers a little, and not how the loss goes.
  @Test func momentsInEightBitsHardlyMoveTheLoss() throws {
    func losses(_ quantized: Bool) throws -> [Float] {
      var configuration = fixture.configuration(output: "quantized \(quantized)")
      configuration.maxTrainSteps = 50
      configuration.use8bitAdam = quantized
      var losses: [Float] = []
      try fixture.run(configuration) { event in
        if case .stepped(let record, _) = event { losses.append(record.loss) }
      }
      return losses
    }
    let (exact, coarse) = (try losses(false), try losses(true))
    func mean(_ losses: ArraySlice<Float>) -> Float { losses.reduce(0, +) / Float(losses.count) }
    #expect(exact[0] == coarse[0] && exact != coarse)
    #expect(mean(coarse[40...]) < mean(coarse[..<10]))
    #expect(abs(mean(coarse[40...]) - mean(exact[40...])) < 0.05 * mean(exact[40...]))
  }

  @Test func aNewRunDoesNotOverwriteAnEarlierOne() throws {
    var configuration = fixture.configuration()
    configuration.checkpointingSteps = 1
    configuration.maxTrainSteps = 1
    try fixture.run(configuration)
    let before = try fixture.contents("output")
    configuration.seed = 12
    #expect(throws: RunCheckpointError.earlierRun(folder: fixture.path("output/"))) { try fixture.run(configuration) }
    configuration.resumeFromCheckpoint = "latest"
    #expect(throws: RunCheckpointError.self) { try fixture.run(configuration) }
    #expect(try fixture.contents("output") == before)
  }

  @Test func otherPicturesAreNoticed() throws {
    var configuration = fixture.configuration()
    configuration.checkpointingSteps = 1
    configuration.maxTrainSteps = 1
    try fixture.run(configuration)
    try FileManager.default.removeItem(atPath: fixture.path("subject/1.png"))
    configuration.resumeFromCheckpoint = fixture.path("output/checkpoint-1")
    configuration.maxTrainSteps = 2
    let error = #expect(throws: RunCheckpointError.self) { try fixture.run(configuration) }
    #expect(error?.description.contains("--instance_data_dir") == true)
  }

  /// The rate of every step of these curves depends on the length of the run.
  @Test(arguments: LearningRateSchedule.Curve.allCases)
  func anotherLengthIsRefusedWhereStepsDependOnIt(_ curve: LearningRateSchedule.Curve) throws {
    var configuration = fixture.configuration()
    configuration.lrScheduler = curve
    configuration.lrWarmupSteps = curve == .constantWithWarmup ? 1 : 0
    let state = RunState(step: 2, configuration: configuration, instanceImages: ["0.png"])
    configuration.numTrainEpochs = 7
    // There are epochs only where no number of steps is given.
    #expect(try state.conflicts(with: configuration) == [])
    configuration.maxTrainSteps = 5
    let isFree = curve == .constant || curve == .constantWithWarmup
    #expect(try state.conflicts(with: configuration) == (isFree ? [] : [.maxTrainSteps]))
    configuration.maxTrainSteps = nil
    #expect(try state.conflicts(with: configuration) == (isFree ? [] : [.numTrainEpochs, .maxTrainSteps]))
  }

  @Test func onlySoManyCheckpointsAreKept() throws {
    var configuration = fixture.configuration()
    configuration.checkpointingSteps = 1
    configuration.checkpointsTotalLimit = 2
    try fixture.run(configuration)
    #expect(try CheckpointFolder(URL(filePath: configuration.outputDir)).steps() == [3, 4])
  }
}
