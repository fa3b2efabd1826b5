/// How far the writing of a model is.
public struct WritingProgress: Sendable, Equatable {
  /// The bytes of the tensors that have been written.
  public internal(set) var written = 0
  /// The bytes of those that have been read back and compared.
  public internal(set) var compared = 0
  /// The bytes of all tensors.
  public let total: Int
  /// Whether what is written is compared.
  public let isCompared: Bool

  /// Whether everything has been written and, if so asked, compared.
  public var isComplete: Bool { written >= total && (compared >= total || !isCompared) }
}

/// Adds up what has been written and compared, and tells somebody.
final class WritingProgressReport {
  private var progress: WritingProgress
  private let show: (WritingProgress) throws -> Void

  /// A report on the writing of so many bytes.
  ///
  /// - Parameter show: what it throws ends the writing.
  init(total: Int, isCompared: Bool, _ show: @escaping (WritingProgress) throws -> Void) {
    progress = WritingProgress(total: total, isCompared: isCompared)
    self.show = show
  }

  /// Notes that a tensor has been written.
  func addWritten(_ tensor: TensorItem) throws {
    progress.written += tensor.byteCount
    try show(progress)
  }

  /// Notes that a tensor has been compared.
  func addCompared(_ tensor: TensorItem) throws {
    progress.compared += tensor.byteCount
    try show(progress)
  }
}
