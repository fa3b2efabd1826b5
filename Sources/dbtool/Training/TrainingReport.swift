import DreamBooth
import Foundation

/// Tells the user how a run is going.
final class TrainingReport {
  private let line = ProgressLine()

  /// Shows one event.
  func show(_ event: TrainingEvent) {
    switch event {
    case .began(let what): line.note(what)
    case .progressed(let what, let done, let total): line.show("\(what): \(done) of \(total)", isLast: done == total)
    case .warning(let text): line.note("warning: \(text)")
    case .resumed(let step, let checkpoint): line.note("Going on after step \(step) from \(checkpoint.relativePath)")
    case .stepped(let record, let total): line.show(text(record, total), isLast: record.step == total)
    case .saved(let checkpoint): line.note("Saved \(checkpoint.relativePath)")
    case .sampled(let images):
      line.note("Drew \(images.first?.deletingLastPathComponent().relativePath ?? "")")
    }
  }

  /// Writes a line of its own.
  func note(_ text: String) { line.note(text) }

  private func text(_ record: StepRecord, _ total: Int) -> String {
    let losses = record.priorLoss.map { prior in
      String(format: " (instance %.4f, prior %.4f)", record.instanceLoss, prior)
    }
    let skipped = record.lossScaling.map { scaling in
      scaling.isSkipped ? String(format: "  skipped, loss scale %g was too large", scaling.scale) : ""
    }
    let remaining = Double(total - record.step) * record.seconds
    return String(
      format: "step %d of %d  loss %.4f%@  lr %.2e%@  %.2f s/step  %@ left", record.step, total, record.loss,
      losses ?? "", record.learningRate, skipped ?? "", record.seconds, duration(remaining))
  }

  private func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    return whole < 3600
      ? String(format: "%d:%02d", whole / 60, whole % 60)
      : String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
  }
}
