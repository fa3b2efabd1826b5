import ArgumentParser
import DreamBooth

/// What is shown while a model is written, which Ctrl-C ends without a trace.
enum WritingLine {
  /// Lets `write` write, and shows how far it is.
  ///
  /// - Throws: what `write` throws, or the exit status where somebody ends it.
  static func show(_ write: (_ progress: @escaping (WritingProgress) throws -> Void) throws -> Void) throws {
    let stop = StopSignal()
    let interrupts = Interrupts(stop, promise: "Stopping; nothing is written.")
    defer { interrupts.stopListening() }
    let line = ProgressLine()
    try write { progress in
      if stop.isRequested && !progress.isComplete { throw ExitCode(130) }
      let (written, compared) = (megabytes(progress.written), megabytes(progress.compared))
      let comparison = progress.isCompared ? ", compared \(compared) MB" : ""
      line.show("written \(written) of \(megabytes(progress.total)) MB\(comparison)", isLast: progress.isComplete)
    }
  }

  private static func megabytes(_ bytes: Int) -> Int { (bytes + 999_999) / 1_000_000 }
}
