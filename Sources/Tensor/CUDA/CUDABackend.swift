/// An NVIDIA GPU.
///
/// Everything runs on one stream of its own, in the order of the calls; only downloads and `synchronize` wait. The same
/// inputs give the same bytes on the same kind of card: sums are formed in a fixed order, and libraries are asked for
/// deterministic algorithms, which are chosen by rule and never by the clock.
public final class CUDABackend: Backend {
  /// The GPU.
  public let device: CUDADevice
  /// The name for people, such as `cuda:0`.
  public var name: String { "cuda:\(device.index)" }
  /// What NVIDIA's libraries take.
  public let convolutionLayout = ConvolutionLayout.outHeightWidthIn

  /// Single and half precision, and bfloat16 from Ampere on.
  public var computeTypes: Set<DType> {
    device.capability >= 80 ? [.float32, .float16, .bfloat16] : [.float32, .float16]
  }

  let driver: DriverLibrary
  let pool: CUDAMemoryPool
  let kernels: KernelLibrary
  let products: CUDAMatrixProducts
  let dnn: DNNHandle
  /// The stream that everything runs on.
  let stream: UInt
  private let context: UInt

  /// A backend on a GPU.
  ///
  /// - Parameters:
  ///   - index: the GPU's number.
  ///   - memoryLimit: the most memory that tensors may take, in bytes; all that is free if left out.
  /// - Throws: `CUDALibraryError`: what is missing and how to get it.
  public init(device index: Int = 0, memoryLimit: Int? = nil) throws(CUDALibraryError) {
    let driver = try DriverLibrary.shared.get()
    let devices = try CUDADevice.all()
    guard devices.indices.contains(index) else { throw .noDevice(index: index, count: devices.count) }
    let device = devices[index]
    guard device.capability >= CUDADevice.oldestCapability else {
      throw .tooOld(device: device.name, capability: device.capability)
    }
    self.driver = driver
    self.device = device
    kernels = KernelLibrary(driver, try CompilerLibrary.shared.get(), capability: device.capability)

    var context: UInt = 0
    try driver.require(driver.retainContext(&context, CInt(index)), "cuDevicePrimaryCtxRetain")
    self.context = context
    try driver.require(driver.setContext(context), "cuCtxSetCurrent")
    var stream: UInt = 0
    let doesNotWaitForOthers: CUnsignedInt = 1
    try driver.require(driver.createStream(&stream, doesNotWaitForOthers), "cuStreamCreate")
    self.stream = stream
    products = try CUDAMatrixProducts(stream: stream)
    dnn = try DNNHandle(stream: stream)

    var (free, total) = (0, 0)
    try driver.require(driver.memoryInformation(&free, &total), "cuMemGetInfo")
    if let memoryLimit, memoryLimit > free { throw .notEnoughMemory(wanted: memoryLimit, free: free) }
    pool = try CUDAMemoryPool(driver, device: device, limit: memoryLimit ?? free)
  }

  deinit {
    activate()
    _ = driver.synchronizeStream(stream)
    _ = driver.destroyStream(stream)
  }

  /// Ten times the compute capability, such as 90 for 9.0.
  var computeCapability: Int { device.capability }

  /// The number of multiprocessors.
  var multiprocessorCount: Int { device.multiprocessorCount }

  /// Makes the calling thread use this GPU.
  func activate() {
    driver.check(driver.setContext(context), "cuCtxSetCurrent")
  }

  /// Working memory for the calls that follow, given back when the tensor goes away.
  func scratch(byteCount: Int) -> Tensor {
    Tensor(empty: [byteCount], dtype: .uint8, on: self)
  }
}

// MARK: - Memory and time

extension CUDABackend {
  /// What the memory pool holds.
  public var memory: MemoryStatistics { pool.statistics }

  /// Takes a block from the pool. Its contents are undefined.
  public func allocate(byteCount: Int) -> MemoryBlock {
    activate()
    return pool.allocate(byteCount: byteCount)
  }

  /// Gives a block back to the pool.
  public func release(_ block: MemoryBlock) { pool.release(block) }

  /// Copies bytes to the GPU; they may be reused as soon as the call returns.
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) {
    require(bytes.count == out.byteCount, "upload: \(bytes.count) bytes do not fill \(out.shape) of \(out.dtype)")
    guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
    requireNoRecording("upload")
    activate()
    // From ordinary memory the driver copies to a buffer of its own before it returns.
    driver.check(driver.copyToDevice(out.address, source, bytes.count, stream), "copying to \(name)")
  }

  /// Copies a tensor to the host after all earlier work is done.
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) {
    require(bytes.count == x.byteCount, "download: \(x.shape) of \(x.dtype) does not fill \(bytes.count) bytes")
    guard let target = bytes.baseAddress, !bytes.isEmpty else { return }
    activate()
    driver.check(driver.copyToHost(target, x.address, bytes.count, stream), "copying from \(name)")
    synchronize()
  }

  /// Waits until all earlier work is done.
  public func synchronize() {
    requireNoRecording("synchronize")
    activate()
    driver.check(driver.synchronizeStream(stream), "waiting for \(name)")
  }

  /// The host's part of a call cannot be recorded.
  func requireNoRecording(_ operation: String) {
    require(!pool.isRecording, "\(operation): cannot be recorded, since it takes the host's part")
  }
}

// MARK: - Starting kernels

extension CUDABackend {
  /// Enqueues a kernel. A grid without blocks is left alone.
  func launch(
    _ kernel: Kernel, grid: KernelGrid, threads: Int, sharedBytes: Int = 0, _ arguments: KernelArgument...
  ) {
    guard grid.x > 0 && grid.y > 0 && grid.z > 0 else { return }
    activate()
    let function = kernels.function(kernel)
    if sharedBytes > 48 << 10 {
      // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
      driver.check(driver.setFunctionAttribute(function, 8, CInt(sharedBytes)), "shared memory of \(kernel.function)")
    }
    var packed = PackedArguments(arguments)
    let status = packed.withExtra { extra in
      driver.launchKernel(
        function, CUnsignedInt(grid.x), CUnsignedInt(grid.y), CUnsignedInt(grid.z), CUnsignedInt(threads), 1, 1,
        CUnsignedInt(sharedBytes), stream, nil, extra)
    }
    driver.check(status, "\(kernel.source.name).\(kernel.function) on \(grid) blocks of \(threads) threads")
  }
}

/// Kernel arguments side by side in memory, each aligned to its size, as the driver takes them.
private struct PackedArguments {
  private var bytes: [UInt8] = []

  init(_ arguments: [KernelArgument]) {
    bytes.reserveCapacity(arguments.count * 8)
    for argument in arguments {
      switch argument {
      case .tensor(let tensor): append(tensor.address)
      case .optional(let tensor): append(tensor?.address ?? 0)
      case .int32(let value): append(Int32(value))
      case .int64(let value): append(Int64(value))
      case .uint64(let value): append(value)
      case .uint32(let value): append(value)
      case .float(let value): append(value)
      case .double(let value): append(value)
      case .int64x4(let value): for lane in 0..<4 { append(Int64(value[lane])) }
      }
    }
  }

  private mutating func append<Value>(_ value: Value) {
    while bytes.count % MemoryLayout<Value>.size != 0 { bytes.append(0) }
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  /// Calls `body` with the driver's list of keys and values: the buffer and its size.
  mutating func withExtra(
    _ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> DriverLibrary.Status
  ) -> DriverLibrary.Status {
    var size = bytes.count
    return bytes.withUnsafeMutableBytes { buffer in
      withUnsafeMutablePointer(to: &size) { size in
        // CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE and CU_LAUNCH_PARAM_END.
        var extra: [UnsafeMutableRawPointer?] = [
          UnsafeMutableRawPointer(bitPattern: 1), buffer.baseAddress, UnsafeMutableRawPointer(bitPattern: 2),
          UnsafeMutableRawPointer(size), nil,
        ]
        return extra.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
      }
    }
  }
}
