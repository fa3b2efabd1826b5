/// Work captured into a CUDA graph: one call starts thousands of kernels.
final class CUDARecording: RecordedWork {
  private let backend: CUDABackend
  private let graph: UInt

  /// Captures the calls that `work` makes.
  fileprivate init(_ backend: CUDABackend, _ work: () -> Void) {
    self.backend = backend
    let driver = backend.driver
    backend.activate()
    backend.pool.beginRecording()
    let allowsOtherCalls: CInt = 2  // CU_STREAM_CAPTURE_MODE_RELAXED
    driver.check(driver.beginCapture(backend.stream, allowsOtherCalls), "beginning to record")
    work()
    var captured: UInt = 0
    driver.check(driver.endCapture(backend.stream, &captured), "ending the recording")
    backend.pool.endRecording()
    var graph: UInt = 0
    driver.check(driver.instantiateGraph(&graph, captured, 0), "making the recording ready")
    self.graph = graph
    driver.check(driver.destroyGraph(captured), "cuGraphDestroy")
  }

  deinit {
    backend.synchronize()
    backend.driver.check(backend.driver.destroyExecutableGraph(graph), "cuGraphExecDestroy")
    backend.pool.dropRecording()
  }

  func replay() {
    backend.activate()
    backend.driver.check(backend.driver.launchGraph(graph, backend.stream), "replaying a recording")
  }
}

/// Numbers on their way to page-locked memory of the host.
private final class CUDADownload: PendingDownload {
  private let backend: CUDABackend
  private let x: Tensor
  private let target: UnsafeMutableRawPointer
  private let arrival: UInt

  init(_ x: Tensor, _ backend: CUDABackend) {
    self.backend = backend
    self.x = x
    let driver = backend.driver
    backend.requireNoRecording("beginDownload")
    backend.activate()
    var target: UnsafeMutableRawPointer?
    driver.check(driver.allocateHost(&target, max(x.byteCount, 1)), "cuMemAllocHost")
    self.target = target!
    var event: UInt = 0
    let withoutTiming: CUnsignedInt = 2
    driver.check(driver.createEvent(&event, withoutTiming), "cuEventCreate")
    arrival = event
    if x.byteCount > 0 {
      driver.check(driver.copyToHost(self.target, x.address, x.byteCount, backend.stream), "copying from the device")
    }
    driver.check(driver.recordEvent(arrival, backend.stream), "cuEventRecord")
  }

  deinit {
    backend.activate()
    // The copy may still be under way if nobody asked for the numbers.
    _ = backend.driver.synchronizeEvent(arrival)
    _ = backend.driver.destroyEvent(arrival)
    _ = backend.driver.freeHost(target)
  }

  var isReady: Bool {
    backend.activate()
    return backend.driver.queryEvent(arrival) == 0
  }

  func floats() -> [Float] {
    backend.activate()
    backend.driver.check(backend.driver.synchronizeEvent(arrival), "waiting for numbers from the device")
    let bytes = UnsafeRawBufferPointer(start: target, count: x.byteCount)
    return x.dtype.floats(bytes)
  }
}

extension CUDABackend {
  /// Captures work into a graph.
  public func record(_ work: @escaping () -> Void) -> any RecordedWork { CUDARecording(self, work) }

  /// Begins to copy a tensor to the host.
  public func beginDownload(_ x: Tensor) -> any PendingDownload { CUDADownload(x, self) }
}
