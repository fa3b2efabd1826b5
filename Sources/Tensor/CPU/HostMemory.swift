/// Numbers in the host's memory.
typealias Floats = UnsafeMutablePointer<Float>

extension CPUBackend {
  /// Lends `count` numbers of undefined value from the pool.
  @inline(__always)
  func withWorkspace<Result>(_ count: Int, _ body: (Floats) -> Result) -> Result {
    let block = pool.allocate(byteCount: count * 4)
    defer { pool.release(block) }
    return body(Floats(address: block.address))
  }
}

extension UnsafeMutablePointer {
  /// The memory at an address of the host.
  @inline(__always)
  init(address: UInt) {
    guard let pointer = UnsafeMutablePointer(bitPattern: address) else { fatalError("cpu: no memory at address 0") }
    self = pointer
  }
}

extension Tensor {
  /// The first byte in the host's memory.
  @inline(__always)
  var hostBytes: UnsafeMutableRawPointer { UnsafeMutableRawPointer(UnsafeMutablePointer<UInt8>(address: address)) }

  /// The elements in the host's memory; an operation says its name in case they are not Float32.
  @inline(__always)
  func host(_ operation: StaticString) -> Floats {
    require(dtype == .float32, "\(operation): cpu computes in float32; cast the \(dtype) tensor \(shape) first")
    return Floats(address: address)
  }

  /// A count in the host's memory; an operation says its name in case it is no Int32.
  func hostCount(_ operation: StaticString) -> UnsafeMutablePointer<Int32> {
    require(dtype == .int32 && count == 1, "\(operation): a count is one int32, not \(shape) of \(dtype)")
    return UnsafeMutablePointer(address: address)
  }
}

extension Destination {
  /// The elements in the host's memory.
  @inline(__always)
  func host(_ operation: StaticString) -> Floats { tensor.host(operation) }
}
