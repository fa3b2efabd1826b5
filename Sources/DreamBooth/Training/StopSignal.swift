import Synchronization

/// A request, from any thread, that a run come to an orderly end.
public final class StopSignal: Sendable {
  private let isSet = Atomic(false)

  /// A signal that nobody has given yet.
  public init() {}

  /// Asks the run to stop after the step it is at.
  public func request() { isSet.store(true, ordering: .relaxed) }

  /// Whether a stop has been asked for.
  public var isRequested: Bool { isSet.load(ordering: .relaxed) }
}
