import Synchronization

/// A device that has another one compute, and keeps account of how long each call takes there.
///
/// Tensors made on it live in the other device's memory. A device with a clock of its own is not waited for; any other
/// has finished each call before the next begins, so that the whole takes longer than without an account. Recorded work
/// is not recorded but asked for anew each time, since a recording does not tell its parts.
public final class ProfilingBackend: Backend {
  private struct Call {
    let kind: Profile.Kind
    let bytes: Int
    let flops: Int
    let begin: any DeviceMoment
    let end: any DeviceMoment
  }

  private struct Account {
    var calls: [Call] = []
    /// How many calls are under way, one inside the other.
    var depth = 0
  }

  /// The device that computes.
  public let device: any Backend
  private let state = Mutex(Account())

  /// A device that computes on `device`.
  public init(_ device: any Backend) {
    self.device = device
  }

  /// Where the time went since the last call of this function, or since the beginning; waits for the device.
  public func takeProfile() -> Profile {
    device.synchronize()
    let calls = state.withLock { state in
      defer { state.calls = [] }
      return state.calls
    }
    return calls.reduce(into: Profile()) { profile, call in
      var total = Profile.Total()
      total.count = 1
      total.seconds = call.begin.seconds(until: call.end)
      total.bytes = call.bytes
      total.flops = call.flops
      profile.kinds[call.kind] = (profile.kinds[call.kind] ?? Profile.Total()) + total
    }
  }

  /// Carries out a call and notes it down. Calls that the device makes in turn are a part of it.
  func account(
    _ primitive: Primitive, _ variant: String = "", flops: Int, reading operands: [Tensor?],
    writing outputs: [Destination?], _ call: () -> Void
  ) {
    let isPart = state.withLock { state in
      defer { state.depth += 1 }
      return state.depth > 0
    }
    defer { state.withLock { $0.depth -= 1 } }
    if isPart { return call() }
    let begin = device.now()
    call()
    let end = device.now()
    let (operands, outputs) = (operands.compactMap { $0 }, outputs.compactMap { $0 })
    let kind = Profile.Kind(
      primitive: primitive, variant: variant, operands: operands.map(\.shape), outputs: outputs.map(\.tensor.shape),
      dtype: outputs.first?.tensor.dtype ?? .float32)
    let read = operands.reduce(0) { $0 + $1.byteCount }
    let written = outputs.reduce(0) { $0 + $1.tensor.byteCount * ($1.write == .accumulate ? 2 : 1) }
    let entry = Call(kind: kind, bytes: read + written, flops: flops, begin: begin, end: end)
    state.withLock { $0.calls.append(entry) }
  }

  /// Carries out a call whose arithmetic is a multiple of a number of elements, and notes it down.
  func account(
    _ primitive: Primitive, _ variant: String = "", elements: Int, reading operands: [Tensor?],
    writing outputs: [Destination?], _ call: () -> Void
  ) {
    account(
      primitive, variant, flops: OperationCost.perElement(primitive) * elements, reading: operands, writing: outputs,
      call)
  }
}

// MARK: - What is not accounted for

extension ProfilingBackend {
  /// The name of the device that computes.
  public var name: String { device.name }
  /// As the device that computes wants it.
  public var convolutionLayout: ConvolutionLayout { device.convolutionLayout }
  /// Those of the device that computes.
  public var computeTypes: Set<DType> { device.computeTypes }
  /// What the pool of the device that computes holds.
  public var memory: MemoryStatistics { device.memory }

  /// Takes a block from the pool of the device that computes.
  public func allocate(byteCount: Int) -> MemoryBlock { device.allocate(byteCount: byteCount) }
  /// Gives a block back.
  public func release(_ block: MemoryBlock) { device.release(block) }
  /// Copies bytes from the host.
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) { device.upload(bytes, into: out) }
  /// Copies bytes to the host.
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) { device.download(x, into: bytes) }
  /// Begins to copy bytes to the host.
  public func beginDownload(_ x: Tensor) -> any PendingDownload { device.beginDownload(x) }
  /// Waits until all earlier work is done.
  public func synchronize() { device.synchronize() }
  /// Work that is asked for anew each time.
  public func record(_ work: @escaping () -> Void) -> any RecordedWork { RepeatedWork(work) }
}
