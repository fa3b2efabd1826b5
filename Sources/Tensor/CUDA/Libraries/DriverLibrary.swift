/// The functions of NVIDIA's driver that are used here. Handles and device addresses are plain numbers.
struct DriverLibrary: Sendable {
  typealias Status = CInt
  typealias Out<Value> = UnsafeMutablePointer<Value>

  let initialize: @convention(c) (CUnsignedInt) -> Status
  let driverVersion: @convention(c) (Out<CInt>) -> Status
  let errorName: @convention(c) (Status, Out<UnsafePointer<CChar>?>) -> Status
  let errorString: @convention(c) (Status, Out<UnsafePointer<CChar>?>) -> Status

  let deviceCount: @convention(c) (Out<CInt>) -> Status
  let device: @convention(c) (Out<CInt>, CInt) -> Status
  let deviceName: @convention(c) (Out<CChar>, CInt, CInt) -> Status
  let deviceMemory: @convention(c) (Out<Int>, CInt) -> Status
  let deviceAttribute: @convention(c) (Out<CInt>, CInt, CInt) -> Status
  let retainContext: @convention(c) (Out<UInt>, CInt) -> Status
  let releaseContext: @convention(c) (CInt) -> Status
  let setContext: @convention(c) (UInt) -> Status
  let memoryInformation: @convention(c) (Out<Int>, Out<Int>) -> Status

  let allocate: @convention(c) (Out<UInt>, Int) -> Status
  let free: @convention(c) (UInt) -> Status
  let allocateHost: @convention(c) (Out<UnsafeMutableRawPointer?>, Int) -> Status
  let freeHost: @convention(c) (UnsafeMutableRawPointer) -> Status
  let copyToDevice: @convention(c) (UInt, UnsafeRawPointer, Int, UInt) -> Status
  let copyToHost: @convention(c) (UnsafeMutableRawPointer, UInt, Int, UInt) -> Status
  let reserveAddresses: @convention(c) (Out<UInt>, Int, Int, UInt, UInt64) -> Status
  let freeAddresses: @convention(c) (UInt, Int) -> Status
  let createMemory: @convention(c) (Out<UInt64>, Int, UnsafePointer<Int32>, UInt64) -> Status
  let releaseMemory: @convention(c) (UInt64) -> Status
  let mapMemory: @convention(c) (UInt, Int, Int, UInt64, UInt64) -> Status
  let unmapMemory: @convention(c) (UInt, Int) -> Status
  let setAccess: @convention(c) (UInt, Int, UnsafePointer<Int32>, Int) -> Status

  let createStream: @convention(c) (Out<UInt>, CUnsignedInt) -> Status
  let destroyStream: @convention(c) (UInt) -> Status
  let synchronizeStream: @convention(c) (UInt) -> Status
  let createEvent: @convention(c) (Out<UInt>, CUnsignedInt) -> Status
  let destroyEvent: @convention(c) (UInt) -> Status
  let recordEvent: @convention(c) (UInt, UInt) -> Status
  let queryEvent: @convention(c) (UInt) -> Status
  let synchronizeEvent: @convention(c) (UInt) -> Status
  let elapsedTime: @convention(c) (Out<Float>, UInt, UInt) -> Status

  let loadModule: @convention(c) (Out<UInt>, UnsafeRawPointer) -> Status
  let unloadModule: @convention(c) (UInt) -> Status
  let function: @convention(c) (Out<UInt>, UInt, UnsafePointer<CChar>) -> Status
  let setFunctionAttribute: @convention(c) (UInt, CInt, CInt) -> Status
  let launchKernel:
    @convention(c) (
      UInt, CUnsignedInt, CUnsignedInt, CUnsignedInt, CUnsignedInt, CUnsignedInt, CUnsignedInt, CUnsignedInt, UInt,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Status

  let beginCapture: @convention(c) (UInt, CInt) -> Status
  let endCapture: @convention(c) (UInt, Out<UInt>) -> Status
  let instantiateGraph: @convention(c) (Out<UInt>, UInt, UInt64) -> Status
  let destroyGraph: @convention(c) (UInt) -> Status
  let launchGraph: @convention(c) (UInt, UInt) -> Status
  let destroyExecutableGraph: @convention(c) (UInt) -> Status

  /// Opens the driver.
  ///
  /// - Throws: `CUDALibraryError` where it is missing or too old.
  init() throws(CUDALibraryError) {
    let library = try DynamicLibrary(
      names: ["libcuda.so.1"], hint: "It comes with NVIDIA's driver (on Debian: nvidia-driver, on Ubuntu: nvidia-open)")
    initialize = try library.symbol("cuInit")
    driverVersion = try library.symbol("cuDriverGetVersion")
    errorName = try library.symbol("cuGetErrorName")
    errorString = try library.symbol("cuGetErrorString")
    deviceCount = try library.symbol("cuDeviceGetCount")
    device = try library.symbol("cuDeviceGet")
    deviceName = try library.symbol("cuDeviceGetName")
    deviceMemory = try library.symbol("cuDeviceTotalMem_v2")
    deviceAttribute = try library.symbol("cuDeviceGetAttribute")
    retainContext = try library.symbol("cuDevicePrimaryCtxRetain")
    releaseContext = try library.symbol("cuDevicePrimaryCtxRelease_v2")
    setContext = try library.symbol("cuCtxSetCurrent")
    memoryInformation = try library.symbol("cuMemGetInfo_v2")
    allocate = try library.symbol("cuMemAlloc_v2")
    free = try library.symbol("cuMemFree_v2")
    allocateHost = try library.symbol("cuMemAllocHost_v2")
    freeHost = try library.symbol("cuMemFreeHost")
    copyToDevice = try library.symbol("cuMemcpyHtoDAsync_v2")
    copyToHost = try library.symbol("cuMemcpyDtoHAsync_v2")
    reserveAddresses = try library.symbol("cuMemAddressReserve")
    freeAddresses = try library.symbol("cuMemAddressFree")
    createMemory = try library.symbol("cuMemCreate")
    releaseMemory = try library.symbol("cuMemRelease")
    mapMemory = try library.symbol("cuMemMap")
    unmapMemory = try library.symbol("cuMemUnmap")
    setAccess = try library.symbol("cuMemSetAccess")
    createStream = try library.symbol("cuStreamCreate")
    destroyStream = try library.symbol("cuStreamDestroy_v2")
    synchronizeStream = try library.symbol("cuStreamSynchronize")
    createEvent = try library.symbol("cuEventCreate")
    destroyEvent = try library.symbol("cuEventDestroy_v2")
    recordEvent = try library.symbol("cuEventRecord")
    queryEvent = try library.symbol("cuEventQuery")
    synchronizeEvent = try library.symbol("cuEventSynchronize")
    elapsedTime = try library.symbol("cuEventElapsedTime")
    loadModule = try library.symbol("cuModuleLoadData")
    unloadModule = try library.symbol("cuModuleUnload")
    function = try library.symbol("cuModuleGetFunction")
    setFunctionAttribute = try library.symbol("cuFuncSetAttribute")
    launchKernel = try library.symbol("cuLaunchKernel")
    beginCapture = try library.symbol("cuStreamBeginCapture_v2")
    endCapture = try library.symbol("cuStreamEndCapture")
    instantiateGraph = try library.symbol("cuGraphInstantiateWithFlags")
    destroyGraph = try library.symbol("cuGraphDestroy")
    launchGraph = try library.symbol("cuGraphLaunch")
    destroyExecutableGraph = try library.symbol("cuGraphExecDestroy")
    try require(initialize(0), "cuInit")
  }

  /// The driver, opened once, or why it cannot be.
  static let shared: Result<DriverLibrary, CUDALibraryError> = Result { () throws(CUDALibraryError) in
    try DriverLibrary()
  }
}

// MARK: - Errors

extension DriverLibrary {
  /// Stops the program if a call failed. Errors of kernels surface at a later call, so the call named in the message
  /// need not be the one to blame.
  func check(
    _ status: Status, _ call: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
  ) {
    if status != 0 { fatalError("CUDA: \(call()) failed: \(reason(status))", file: file, line: line) }
  }

  /// Throws if a call failed.
  func require(_ status: Status, _ call: String) throws(CUDALibraryError) {
    if status != 0 { throw .failed(call: call, reason: reason(status)) }
  }

  /// The driver's own words.
  func reason(_ status: Status) -> String {
    var name: UnsafePointer<CChar>?
    var text: UnsafePointer<CChar>?
    _ = errorName(status, &name)
    _ = errorString(status, &text)
    guard let name, let text else { return "error \(status)" }
    return "\(String(cString: text)) (\(String(cString: name)))"
  }
}
