/// A GPU that the driver lists.
public struct CUDADevice: Sendable, Hashable {
  /// Its number, as in `cuda:0`.
  public let index: Int
  /// What its maker calls it.
  public let name: String
  /// Ten times the compute capability, such as 90 for 9.0.
  public let capability: Int
  /// Its memory in bytes.
  public let memory: Int
  /// The number of its multiprocessors.
  public let multiprocessorCount: Int
  /// The shared memory that one block of threads may take at most, in bytes.
  public let sharedMemoryPerBlock: Int

  /// The oldest compute capability that the kernels are written for: Turing.
  public static let oldestCapability = 75

  /// All devices, in the driver's order.
  ///
  /// - Throws: `CUDALibraryError` where there is no driver.
  public static func all() throws(CUDALibraryError) -> [CUDADevice] {
    let driver = try DriverLibrary.shared.get()
    var count: CInt = 0
    try driver.require(driver.deviceCount(&count), "cuDeviceGetCount")
    var devices: [CUDADevice] = []
    for index in 0..<Int(count) { devices.append(try CUDADevice(index, driver)) }
    return devices
  }

  private init(_ index: Int, _ driver: DriverLibrary) throws(CUDALibraryError) {
    var device: CInt = 0
    try driver.require(driver.device(&device, CInt(index)), "cuDeviceGet")
    func attribute(_ number: CInt) throws(CUDALibraryError) -> Int {
      var value: CInt = 0
      try driver.require(driver.deviceAttribute(&value, number, device), "cuDeviceGetAttribute")
      return Int(value)
    }
    var name = [CChar](repeating: 0, count: 256)
    try driver.require(driver.deviceName(&name, CInt(name.count), device), "cuDeviceGetName")
    var memory = 0
    try driver.require(driver.deviceMemory(&memory, device), "cuDeviceTotalMem")
    self.index = index
    self.name = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    self.memory = memory
    // The numbers are those of CUdevice_attribute.
    capability = 10 * (try attribute(75)) + (try attribute(76))
    multiprocessorCount = try attribute(16)
    sharedMemoryPerBlock = try attribute(97)
  }
}

/// What of CUDA is installed, for people.
public struct CUDAInstallation: Sendable {
  /// A library and its version, or why it cannot be used.
  public struct Component: Sendable {
    /// What the library is for and called.
    public let name: String
    /// Its version.
    public let version: Result<String, CUDALibraryError>
  }

  /// The libraries, the driver first.
  public let components: [Component]
  /// The devices; empty where there is no driver.
  public let devices: [CUDADevice]

  /// Looks for everything.
  public init() {
    func component(_ name: String, _ version: () throws(CUDALibraryError) -> String) -> Component {
      Component(name: name, version: Result { () throws(CUDALibraryError) in try version() })
    }
    components = [
      component("driver") { () throws(CUDALibraryError) in
        let driver = try DriverLibrary.shared.get()
        var version: CInt = 0
        try driver.require(driver.driverVersion(&version), "cuDriverGetVersion")
        return "for CUDA \(version / 1000).\(version / 10 % 100)"
      },
      component("NVRTC (kernels)") { () throws(CUDALibraryError) in try CompilerLibrary.shared.get().version },
      component("cuBLASLt (matrix products)") { () throws(CUDALibraryError) in try BLASLibrary.shared.get().version },
      component("cuDNN (convolutions)") { () throws(CUDALibraryError) in try DNNLibrary.shared.get().version },
      component("NCCL (several cards)") { () throws(CUDALibraryError) in try CollectiveLibrary().version },
    ]
    // Without a driver there are no devices, and the first component says why.
    devices = (try? CUDADevice.all()) ?? []
  }
}
