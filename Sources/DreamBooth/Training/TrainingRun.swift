import Foundation

/// The steps of a run, and everything that is written while they are taken.
///
/// The device is up to one step ahead of what is known about it. Nothing is made of a step, be it a checkpoint, a sample
/// or the finished model, before its losses are known to be numbers.
struct TrainingRun {
  let configuration: TrainingConfiguration
  let model: TrainingModel
  let session: TrainingSession
  /// The state of the run but for its step.
  let state: RunState
  let stepCount: Int
  let log: RunLog
  /// Makes sample pictures; `nil` where none are asked for.
  let sample: ((_ step: Int) throws -> [URL])?
  let output: URL
  let stop: StopSignal
  let observer: TrainingObserver

  /// Takes the steps that are left and saves the model.
  ///
  /// - Throws: `TrainingError`, or what is wrong with the disk.
  func callAsFunction() throws -> Trainer.Outcome {
    var savedStep = session.step
    do {
      while session.step < stepCount {
        session.advance()
        try report(waiting: session.step == stepCount)
        let step = session.step
        var checkpoint: URL?
        if step.isMultiple(of: configuration.checkpointingSteps) {
          checkpoint = try save()
          savedStep = step
        }
        if !stop.isRequested { try sampleIfDue() }
        if stop.isRequested && step < stepCount {
          return .stopped(checkpoint: try checkpoint ?? save())
        }
      }
      observer(.began("Saving the model"))
      return .finished(model: try model.save(into: output))
    } catch {
      // Weights that are no numbers are not worth keeping.
      if !(error is TrainingError) && session.step > savedStep { rescue() }
      throw error
    }
  }

  /// Tells of the steps that are done.
  ///
  /// - Parameter waiting: whether to wait for the last one.
  private func report(waiting: Bool) throws {
    while let record = try session.nextRecord(waiting: waiting) {
      try log.append(record)
      observer(.stepped(record, of: stepCount))
    }
  }

  private func sampleIfDue() throws {
    guard let sample, session.step.isMultiple(of: configuration.validationSteps) else { return }
    try report(waiting: true)
    do {
      let images = try sample(session.step)
      if !images.isEmpty { observer(.sampled(images: images)) }
    } catch TextToImageError.noNumbers {
      // The loss is still a number, so the run is not lost.
      observer(.warning("no samples: \(TextToImageError.noNumbers)"))
    }
  }

  private func save() throws -> URL {
    try report(waiting: true)
    return try writeCheckpoint()
  }

  /// Saves what would be lost by an error, if it can be saved.
  private func rescue() {
    do {
      // If steps are left to be told of, then because of the log, which is not asked again.
      while let record = try session.nextRecord(waiting: true) { observer(.stepped(record, of: stepCount)) }
      _ = try writeCheckpoint()
    } catch {
      observer(.warning("the steps since the last checkpoint are lost: \(error)"))
    }
  }

  private func writeCheckpoint() throws -> URL {
    var state = state
    state.step = session.step
    let checkpoint = try RunCheckpoint.write(state, model.parts, session.optimizer, in: output)
    observer(.saved(checkpoint: checkpoint.url))
    if let limit = configuration.checkpointsTotalLimit {
      do {
        try CheckpointFolder(output).keep(limit, upTo: state.step)
      } catch {
        // The new checkpoint is safe, so an old one in the way is no reason to lose the run.
        observer(.warning("\(error)"))
      }
    }
    return checkpoint.url
  }
}
