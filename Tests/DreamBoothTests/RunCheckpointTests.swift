import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct RunCheckpointTests {
  private let folder: TemporaryFolder
  private let backend = CPUBackend()

  init() throws {
    folder = try TemporaryFolder()
  }

  /// A model of two layers, one of which is stored in another order than PyTorch's.
  private func part(
    seed: UInt64, width: Int = 3, extra: Bool = false, computeType: DType = .float32
  ) throws -> TrainedPart {
    let (_, store) = try ParameterStore.build(
      on: backend, trainable: { _ in true }, computeType: computeType, from: InitialParameters(seed: seed)
    ) { scope in
      _ = try Convolution(scope["conv"], 2, width)
      if extra { _ = try Linear(scope["extra"], 2, 2) }
      return try Linear(scope["linear"], width, 2)
    }
    return TrainedPart(.unet, store)
  }

  /// An optimiser after some steps on made-up gradients.
  private func optimizer(_ part: TrainedPart, steps: Int) -> AdamW {
    let optimizer = AdamW([part.parameters], maximumGradientNorm: 1)
    step(optimizer, part, from: 0, to: steps)
    return optimizer
  }

  private func step(_ optimizer: AdamW, _ part: TrainedPart, from first: Int, to last: Int) {
    for step in first..<last {
      let gradients = part.parameters.gradients
      gradients.assign(RandomStream(seed: 1, stream: 1).normals(gradients.count, draw: UInt32(step)))
      optimizer.step(learningRate: 0.01)
    }
  }

  private func state(_ step: Int) -> RunState {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: "model", instanceDataDir: "dog", instancePrompt: "a photo of sks dog",
      outputDir: "out")
    configuration.seed = 7
    return RunState(step: step, configuration: configuration, instanceImages: ["a.png", "b.jpg"])
  }

  @discardableResult
  private func write(step: Int) throws -> RunCheckpoint {
    let part = try part(seed: 3)
    return try RunCheckpoint.write(state(step), [part], optimizer(part, steps: step), in: folder.url)
  }

  private func names(_ url: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url.path(percentEncoded: false)).sorted()
  }

  @Test func continuesBitForBit() throws {
    let whole = try part(seed: 3)
    let wholeOptimizer = optimizer(whole, steps: 4)

    let halfway = try part(seed: 3)
    let written = try RunCheckpoint.write(state(2), [halfway], optimizer(halfway, steps: 2), in: folder.url)
    let resumed = try part(seed: 99)
    let resumedOptimizer = AdamW([resumed.parameters], maximumGradientNorm: 1)
    let checkpoint = try RunCheckpoint(written.url)
    #expect(checkpoint.state == state(2))
    try checkpoint.restore([resumed], resumedOptimizer)
    #expect(resumedOptimizer.stepCount == 2)
    step(resumedOptimizer, resumed, from: 2, to: 4)

    // The arenas have gaps between the parameters, which are nobody's numbers.
    for (one, other) in zip(resumed.parameters.parameters, whole.parameters.parameters) {
      #expect(resumed.parameters.pytorch(one).floats() == whole.parameters.pytorch(other).floats())
      for (mine, wanted) in [
        (resumedOptimizer.moments1[0], wholeOptimizer.moments1[0]),
        (resumedOptimizer.moments2[0], wholeOptimizer.moments2[0]),
      ] {
        let expected = whole.parameters.pytorch(other, in: wanted).floats()
        #expect(resumed.parameters.pytorch(one, in: mine).floats() == expected)
        #expect(expected.contains { $0 != 0 })
      }
    }
  }

  /// Checkpoints hold Float32, so that a run may go on in another precision: the copies that layers see follow.
  @Test func aRunGoesOnInAnotherPrecision() throws {
    let whole = try part(seed: 3)
    let written = try RunCheckpoint.write(state(2), [whole], optimizer(whole, steps: 2), in: folder.url)
    let resumed = try part(seed: 99, computeType: .bfloat16)
    try RunCheckpoint(written.url).restore([resumed], AdamW([resumed.parameters], maximumGradientNorm: 1))
    for (one, other) in zip(resumed.parameters.parameters, whole.parameters.parameters) {
      #expect(one.value.array(Float.self) == other.value.array(Float.self))
      #expect(one.variable.value.dtype == .bfloat16)
      #expect(one.variable.value.floats() == one.value.cast(to: .bfloat16).floats())
    }
  }

  /// A run with a scaled loss of which one step was skipped; a run without a scale leaves out what it has no use for.
  @Test func theStateOfTheOptimizerIsKept() throws {
    let part = try part(seed: 3)
    let scaled = AdamW([part.parameters], maximumGradientNorm: 1, lossScaling: LossScaling())
    step(scaled, part, from: 0, to: 1)
    part.parameters.gradients.assign(Tensor(repeating: .nan, part.parameters.gradients.shape, on: backend))
    scaled.step(learningRate: 0.01)
    step(scaled, part, from: 1, to: 3)
    let written = try RunCheckpoint(RunCheckpoint.write(state(4), [part], scaled, in: folder.url).url)
    #expect(written.optimizerState == AdamW.State(updates: 3, lossScale: 32768, goodSteps: 2))

    let resumed = AdamW([part.parameters], maximumGradientNorm: 1, lossScaling: LossScaling())
    try written.restore([part], resumed)
    #expect(resumed.stepCount == 4 && resumed.state == written.optimizerState)
    let plain = AdamW([part.parameters], maximumGradientNorm: 1)
    try written.restore([part], plain)
    #expect(plain.stepCount == 4 && plain.state == AdamW.State(updates: 3))
  }

  /// Older checkpoints know neither skipped steps nor precisions; damaged ones may say anything.
  @Test func otherStatesOfTheOptimizerAreReadOrRefused() throws {
    let checkpoint = try write(step: 2)
    let marker = checkpoint.url.appending(path: "state.json")
    let text = try String(contentsOf: marker, encoding: .utf8)
    let optimizer = #""optimizer":{"updates":2}"#
    let precision = #""mixed_precision":"no","#
    #expect(text.contains(optimizer) && text.contains(precision))
    let old = text.replacing("\(optimizer),", with: "").replacing(precision, with: "")
    try Data(old.utf8).write(to: marker)
    let read = try RunCheckpoint(checkpoint.url)
    #expect(read.optimizerState == AdamW.State(updates: 2))
    #expect(read.state == state(2))
    try Data(text.replacing(optimizer, with: #""optimizer":{"updates":-2}"#).utf8).write(to: marker)
    #expect(throws: RunCheckpointError.self) { try RunCheckpoint(checkpoint.url) }
  }

  @Test func weightsAreStoredAsDiffusersHasThem() throws {
    let part = try part(seed: 3)
    let checkpoint = try RunCheckpoint.write(state(1), [part], optimizer(part, steps: 1), in: folder.url)
    #expect(checkpoint.url.lastPathComponent == "checkpoint-1")
    #expect(try names(checkpoint.url) == ["state.json", "unet"])
    let weights = try SafetensorsFile(checkpoint.url.appending(path: "unet/diffusion_pytorch_model.safetensors"))
    #expect(try weights.entry("conv.weight").shape == [3, 2, 3, 3])
    #expect(try weights.floats("linear.weight") == part.parameters.pytorch(part.parameters.parameters[2]).floats())
  }

  @Test func theLatestWholeCheckpointIsUsed() throws {
    try write(step: 2)
    try write(step: 10)
    try write(step: 11)
    try write(step: 12)
    let files = FileManager.default
    // Whatever may be left of a checkpoint that was being copied or deleted: no marker, a short file, a missing one.
    try files.removeItem(at: folder.url.appending(path: "checkpoint-12/state.json"))
    let torn = folder.url.appending(path: "checkpoint-11/unet/optimizer.safetensors")
    try Data(contentsOf: torn).dropLast().write(to: torn)
    try files.createDirectory(
      at: folder.url.appending(path: "checkpoint-13"), withIntermediateDirectories: false)

    var warnings: [String] = []
    let latest = try CheckpointFolder(folder.url).latest { warnings.append($0) }
    #expect(latest.state.step == 10)
    #expect(warnings.count == 3)
    #expect(warnings.contains { $0.contains("checkpoint-11") && $0.contains("optimizer.safetensors") })
    #expect(throws: RunCheckpointError.self) { try RunCheckpoint(folder.url.appending(path: "checkpoint-11")) }
  }

  @Test func everyTruncationIsNoticed() throws {
    let checkpoint = try write(step: 1)
    let marker = checkpoint.url.appending(path: "state.json")
    let whole = try Data(contentsOf: marker)
    #expect(throws: Never.self) { try RunCheckpoint(checkpoint.url) }
    for length in 0..<whole.count {
      try whole.prefix(length).write(to: marker)
      #expect(throws: RunCheckpointError.self) { try RunCheckpoint(checkpoint.url) }
    }
  }

  @Test func aFolderWithoutCheckpointsIsNamed() throws {
    #expect(throws: RunCheckpointError.nothingToResume(folder: folder.url.path(percentEncoded: false))) {
      _ = try CheckpointFolder(folder.url).latest { _ in }
    }
  }

  @Test func theOldestAreDeletedFirst() throws {
    for step in [2, 4, 10, 12] { try write(step: step) }
    try CheckpointFolder(folder.url).keep(3, upTo: 12)
    #expect(try CheckpointFolder(folder.url).steps() == [4, 10, 12])
    // A run that went back to step 4 and is now at 6 keeps its own checkpoints, not those of the future it left.
    try write(step: 6)
    try CheckpointFolder(folder.url).keep(2, upTo: 6)
    #expect(try CheckpointFolder(folder.url).steps() == [4, 6])
  }

  @Test func writingAgainReplacesTheWhole() throws {
    try write(step: 1)
    let again = try write(step: 1)
    #expect(try RunCheckpoint(again.url).state.step == 1)
    #expect(try names(folder.url) == ["checkpoint-1"])
  }

  @Test func aFailedWriteLeavesWhatWasThere() throws {
    try write(step: 1)
    let part = try part(seed: 3)
    let optimizer = optimizer(part, steps: 2)
    // A file in the way of the folder that is to be made.
    let blocked = folder.url.appending(path: "blocked")
    try Data().write(to: blocked)
    #expect(throws: FileError.self) {
      try RunCheckpoint.write(state(2), [part], optimizer, in: blocked.appending(path: "out"))
    }
    #expect(try names(folder.url) == ["blocked", "checkpoint-1"])
    #expect(throws: Never.self) { try RunCheckpoint(folder.url.appending(path: "checkpoint-1")) }
  }

  @Test func aFullDiskIsNoticedBeforehand() throws {
    let error = #expect(throws: RunCheckpointError.self) {
      try RunCheckpoint.requireFreeSpace(.max, in: folder.url)
    }
    guard case .notEnoughSpace(_, let needed, let available) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(needed == .max && available > 0)
    try RunCheckpoint.requireFreeSpace(1, in: folder.url)
  }

  @Test func anotherModelIsRefusedUntouched() throws {
    let checkpoint = try write(step: 1)
    for other in [try part(seed: 5, width: 4), try part(seed: 5, extra: true)] {
      let before = other.parameters.values.floats()
      #expect(throws: RunCheckpointError.self) {
        try checkpoint.restore([other], AdamW([other.parameters], maximumGradientNorm: 1))
      }
      #expect(other.parameters.values.floats() == before)
    }
  }

  @Test func anotherConfigurationIsRefusedByName() throws {
    let checkpoint = try write(step: 1)
    func refusal(_ change: (inout TrainingConfiguration) -> Void) throws {
      var configuration = state(1).configuration
      change(&configuration)
      try checkpoint.requireConfiguration(configuration)
    }
    let path = checkpoint.url.path(percentEncoded: false)
    try refusal { $0.seed = nil }
    try refusal {
      $0.maxTrainSteps = 9
      $0.outputDir = "elsewhere"
      $0.gradientCheckpointing = true
      $0.mixedPrecision = .bf16
    }
    #expect(throws: RunCheckpointError.otherConfiguration(path: path, options: [.seed, .learningRate])) {
      try refusal {
        $0.seed = 8
        $0.learningRate = 1
      }
    }
    #expect(throws: RunCheckpointError.otherConfiguration(path: path, options: [.classPrompt])) {
      try refusal { $0.classPrompt = "a dog" }
    }
    try checkpoint.requirePictures(instance: ["a.png", "b.jpg"], class: [])
    #expect(throws: RunCheckpointError.otherPictures(path: path, folder: .classDataDir)) {
      try checkpoint.requirePictures(instance: ["a.png", "b.jpg"], class: ["c.png"])
    }
    #expect(throws: RunCheckpointError.otherPictures(path: path, folder: .instanceDataDir)) {
      try checkpoint.requirePictures(instance: ["a.png"], class: [])
    }
  }
}
