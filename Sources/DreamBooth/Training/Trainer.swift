import Foundation

/// A DreamBooth run from its options to the trained model on disk (Ruiz et al., 2023).
///
/// The output folder receives the trained model as a diffusers folder, or a trained LoRA or new words as files in diffusers'
/// layouts, `checkpoint-N` folders, sample pictures under `samples` and the log.
public struct Trainer {
  /// How a run ended.
  public enum Outcome: Sendable, Hashable {
    /// The trained model is in this folder, or the trained LoRA or word in this file.
    case finished(model: URL)
    /// A stop was asked for; the run can be resumed from this checkpoint, unless it had not taken a step yet.
    case stopped(checkpoint: URL?)
  }

  private let configuration: TrainingConfiguration
  private let backend: any Backend
  private let recordsSteps: Bool
  private let stop: StopSignal
  private let observer: TrainingObserver
  private let output: URL

  /// A run that has not begun.
  ///
  /// - Parameters:
  ///   - recordsSteps: whether the device records a step and replays it. That is faster where there are many small
  ///     computations, and changes no number.
  ///   - stop: ends the run after the step it is at, with a checkpoint.
  ///   - observer: is told of everything that happens.
  /// - Throws: `TrainingOptionError`.
  public init(
    _ configuration: TrainingConfiguration, on backend: any Backend, recordsSteps: Bool = true,
    stop: StopSignal = StopSignal(), observer: @escaping TrainingObserver = { _ in }
  ) throws(TrainingOptionError) {
    try configuration.validate()
    try configuration.requireComputeType(on: backend)
    self.configuration = configuration
    self.backend = backend
    self.recordsSteps = recordsSteps
    self.stop = stop
    self.observer = observer
    output = URL(filePath: configuration.outputDir, directoryHint: .isDirectory)
  }

  /// Carries the run out.
  ///
  /// After an error that leaves the model in memory sound, such as a full disk, the steps since the last checkpoint are
  /// saved as another one if the disk allows it; the observer is told.
  ///
  /// - Throws: what is wrong with the model, the pictures, the options, the memory or the disk. Whatever had been saved
  ///   stays.
  public func run() throws -> Outcome {
    let checkpoint = try checkpointToResume()
    var configuration = configuration
    // The generators of PyTorch, which the samples follow, take 32 bits.
    let seed =
      configuration.seed ?? checkpoint?.state.configuration.seed ?? UInt64(UInt32.random(in: .min ... .max))
    configuration.seed = seed

    observer(.began("Reading the model"))
    let folder = try ModelFolder(
      URL(filePath: configuration.pretrainedModelNameOrPath), options: configuration.modelOptions)
    try configuration.requireResolution(for: folder)
    if let available = TrainingMemory.available(on: backend) {
      try TrainingMemory.requireFit(
        folder, configuration, available: available, computeTypes: backend.computeTypes)
    }
    if configuration.trainsOwnWeights { try TrainingModel.requireReplaceable(output, by: folder) }
    let model = try TrainingModel(folder, configuration, on: backend, recordsSteps: recordsSteps)
    // A sampler that is not ours should be found out before the first step and not at the first sample.
    let scheduler = try configuration.validationPrompt.map { _ in
      try model.makeScheduler(named: configuration.scheduler)
    }

    let preparation = TrainingPreparation(
      configuration: configuration, model: model, seed: seed, observer: observer)
    let instance = try preparation.instancePictures()
    // Not earlier, so that a run that cannot begin leaves nothing behind.
    try makeOutputFolder()
    // Better now than after the steps that would be lost.
    try RunCheckpoint.requireFreeSpace(
      RunCheckpoint.byteCount(model.parts, quantizesMoments: configuration.use8bitAdam) + model.savedByteCount(),
      in: output)
    guard try preparation.generateClassImages(stop) else { return .stopped(checkpoint: nil) }
    let prior = try preparation.classPictures()
    let state = RunState(
      step: 0, configuration: configuration, instanceImages: instance.names, classImages: prior?.names ?? [])
    try checkpoint?.requirePictures(instance: state.instanceImages, class: state.classImages)

    let data = preparation.data(instance, prior)
    let stepCount = configuration.stepCount(instanceImages: instance.count, classImages: prior?.count ?? 0)
    try configuration.requireStepCount(stepCount)
    let session = TrainingSession(
      model.networks, configuration, stepCount: stepCount, isRecorded: recordsSteps, load: data.load,
      batch: data.batch.callAsFunction)
    if let checkpoint {
      try checkpoint.restore(model.parts, session.optimizer)
      observer(.resumed(step: session.step, checkpoint: checkpoint.url))
    }
    let samples = SampleImages(folder: output.appending(path: "samples"), configuration: configuration, seed: seed)
    let run = TrainingRun(
      configuration: configuration, model: model, session: session, state: state, stepCount: stepCount,
      log: try RunLog(in: output, configuration, resumedStep: checkpoint?.state.step),
      sample: scheduler.map { scheduler in
        { step in try samples.write(step: step, with: model.pipeline, scheduler: scheduler, stop: stop) }
      },
      output: output, stop: stop, observer: observer)
    return try run()
  }
}

// MARK: - Before the first step

extension Trainer {
  private func checkpointToResume() throws -> RunCheckpoint? {
    let checkpoints = CheckpointFolder(output)
    guard let choice = configuration.resumeFromCheckpoint else {
      guard try checkpoints.steps().isEmpty else {
        throw RunCheckpointError.earlierRun(folder: output.path(percentEncoded: false))
      }
      return nil
    }
    let checkpoint =
      choice == "latest"
      ? try checkpoints.latest { observer(.warning($0)) }
      : try RunCheckpoint(URL(filePath: choice, directoryHint: .isDirectory))
    try checkpoint.requireConfiguration(configuration)
    return checkpoint
  }

  private func makeOutputFolder() throws(FileError) {
    try AtomicFolder.makeIfMissing(output)
    do {
      // A run that was killed may have left gigabytes behind.
      try AtomicFolder.removeRemains(in: output)
    } catch {
      observer(.warning("\(error)"))
    }
  }
}
