/// Work that a device can do again and again; see `Backend.record`.
public protocol RecordedWork: AnyObject {
  /// Does the work once more, after everything that was asked for earlier. Returns without waiting for it.
  func replay()
}

/// Numbers on their way from a device; see `Backend.beginDownload`.
public protocol PendingDownload: AnyObject {
  /// Whether the numbers are there, so that `floats` does not wait.
  var isReady: Bool { get }
  /// The numbers in single precision, waiting for them where need be.
  func floats() -> [Float]
}

/// Recorded work of a device that gains nothing from knowing it in advance: it is asked for anew each time.
final class RepeatedWork: RecordedWork {
  private let work: () -> Void

  init(_ work: @escaping () -> Void) {
    self.work = work
  }

  func replay() { work() }
}

/// The download of a device that copies at once.
final class FinishedDownload: PendingDownload {
  private let values: [Float]
  let isReady = true

  init(_ x: Tensor) {
    values = x.floats()
  }

  func floats() -> [Float] { values }
}
