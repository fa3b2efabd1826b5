import Foundation
import Logging

extension TrainingEvent {
  /// Writes the event to a logger of swift-log, with its figures as metadata.
  ///
  /// Steps and tasks are at level `info`, checkpoints and resumes at `notice`, the progress of a task at `debug`. A run
  /// is logged by `Trainer(configuration, on: backend) { $0.log(to: logger) }`.
  public func log(to logger: Logger) {
    switch self {
    case .began(let task): logger.info("\(task)")
    case .progressed(let task, let done, let total):
      logger.debug("\(task)", metadata: ["done": "\(done)", "of": "\(total)"])
    case .warning(let text): logger.warning("\(text)")
    case .resumed(let step, let checkpoint):
      logger.notice("Resumed", metadata: ["step": "\(step)", "checkpoint": "\(checkpoint.relativePath)"])
    case .stepped(let record, let total): logger.info("Step", metadata: record.metadata(of: total))
    case .saved(let checkpoint): logger.notice("Saved", metadata: ["checkpoint": "\(checkpoint.relativePath)"])
    case .sampled(let images):
      logger.info("Sampled", metadata: ["images": .array(images.map { "\($0.relativePath)" })])
    }
  }
}

extension StepRecord {
  /// The figures under the names that they have in the run's own log.
  fileprivate func metadata(of total: Int) -> Logger.Metadata {
    var metadata: Logger.Metadata = [
      CodingKeys.step.rawValue: "\(step)", "of": "\(total)", CodingKeys.loss.rawValue: "\(loss)",
      CodingKeys.instanceLoss.rawValue: "\(instanceLoss)", CodingKeys.learningRate.rawValue: "\(learningRate)",
      CodingKeys.seconds.rawValue: "\(seconds)",
    ]
    if let gradientNorm { metadata[CodingKeys.gradientNorm.rawValue] = "\(gradientNorm)" }
    if let lossScaling {
      metadata[CodingKeys.lossScaling.rawValue] = [
        LossScaling.CodingKeys.scale.rawValue: "\(lossScaling.scale)",
        LossScaling.CodingKeys.isSkipped.rawValue: "\(lossScaling.isSkipped)",
      ]
    }
    if let priorLoss { metadata[CodingKeys.priorLoss.rawValue] = "\(priorLoss)" }
    return metadata
  }
}
