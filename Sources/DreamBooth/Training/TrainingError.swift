/// Why a run cannot go on.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The loss or the gradients are no longer numbers; the model in memory is lost, what is on disk is not.
  case diverged(step: Int)

  /// One sentence that says what to do.
  public var description: String {
    switch self {
    case .diverged(let step):
      "the loss is no longer a number at step \(step); lower --learning_rate and resume from an earlier checkpoint"
    }
  }
}
