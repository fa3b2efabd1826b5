/// Work that is the same in every step: asked for twice in the usual way, so that the device can prepare for it, then
/// recorded and from there on replayed.
///
/// The numbers are those of work that is never recorded, bit for bit. `Backend.record` says what the work must keep to:
/// it takes what varies from tensors that are written before the step, and leaves its results in tensors too.
public final class RecordedStep {
  /// How often the work is done before it is recorded: once so that the device compiles and plans, and once more for
  /// whatever differs only in the first step, such as memory that is not in the pool yet.
  private static let rehearsals = 2

  private let backend: any Backend
  private let isRecorded: Bool
  private let work: () -> Void
  private var runCount = 0
  private var recording: (any RecordedWork)?

  /// A step that has not been taken yet.
  ///
  /// - Parameter isRecorded: whether it is recorded at all.
  public init(on backend: any Backend, isRecorded: Bool = true, _ work: @escaping () -> Void) {
    self.backend = backend
    self.isRecorded = isRecorded
    self.work = work
  }

  /// Takes the step, without waiting for the device.
  public func run() {
    if let recording { return recording.replay() }
    guard isRecorded, runCount >= RecordedStep.rehearsals else {
      runCount += 1
      return work()
    }
    let recording = backend.record(work)
    self.recording = recording
    recording.replay()
  }
}
