extension CUDABackend: DeviceClock {
  /// The moment at which the stream comes to this point.
  public func moment() -> any DeviceMoment { CUDAMoment(self) }
}

/// An event on a GPU's stream.
private final class CUDAMoment: DeviceMoment {
  private let backend: CUDABackend
  private let event: UInt

  init(_ backend: CUDABackend) {
    self.backend = backend
    backend.requireNoRecording("moment")
    backend.activate()
    var event: UInt = 0
    let withTiming: CUnsignedInt = 0
    backend.driver.check(backend.driver.createEvent(&event, withTiming), "cuEventCreate")
    self.event = event
    backend.driver.check(backend.driver.recordEvent(event, backend.stream), "cuEventRecord")
  }

  deinit {
    backend.activate()
    _ = backend.driver.destroyEvent(event)
  }

  func seconds(until later: any DeviceMoment) -> Double {
    guard let later = later as? CUDAMoment else { fatalError("DeviceMoment: moments of two different clocks") }
    backend.activate()
    let driver = backend.driver
    driver.check(driver.synchronizeEvent(later.event), "waiting for \(backend.name)")
    var milliseconds: Float = 0
    driver.check(driver.elapsedTime(&milliseconds, event, later.event), "cuEventElapsedTime")
    return Double(milliseconds) / 1000
  }
}
