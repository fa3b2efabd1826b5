/// How far the writing of a model is.
public struct WritingProgress: Sendable, Equatable {
  /// The bytes of the tensors that have been written.
  public internal(set) var written = 0
  /// The bytes of all tensors.
  public let total: Int

  /// Whether everything has been written.
  public var isComplete: Bool { written >= total }
}

/// Adds up what has been written and tells somebody.
final class WritingProgressReport {
  private var progress: WritingProgress
  private let show: (WritingProgress) -> Void

  /// A report on the writing of so many bytes.
  init(total: Int, _ show: @escaping (WritingProgress) -> Void) {
    progress = WritingProgress(total: total)
    self.show = show
  }

  /// Notes that a tensor has been written.
  func add(_ tensor: TensorItem) {
    progress.written += tensor.byteCount
    show(progress)
  }
}
