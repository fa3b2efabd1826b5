/// Why a run cannot go on.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The loss or the gradients are no longer numbers; the model in memory is lost, what is on disk is not.
  case diverged(step: Int)

  /// One sentence that says what to do.
  public var description: String {
    switch self {
    case .diverged(step: 1):
      "the loss is not a number from the first step on; the model's weights are damaged, or half precision is too small "
        + "for them, which --mixed_precision no avoids"
    case .diverged(let step):
      "the loss is no longer a number at step \(step); lower --learning_rate and resume from an earlier checkpoint"
    }
  }
}
