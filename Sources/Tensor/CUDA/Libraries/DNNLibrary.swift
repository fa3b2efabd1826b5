/// The functions of cuDNN 9 that are used here: its graph API. Handles and descriptors are plain numbers.
struct DNNLibrary: Sendable {
  typealias Status = CInt
  typealias Out<Value> = UnsafeMutablePointer<Value>

  let createHandle: @convention(c) (Out<UInt>) -> Status
  let destroyHandle: @convention(c) (UInt) -> Status
  let setStream: @convention(c) (UInt, UInt) -> Status

  let createDescriptor: @convention(c) (CInt, Out<UInt>) -> Status
  let destroyDescriptor: @convention(c) (UInt) -> Status
  let setAttribute: @convention(c) (UInt, CInt, CInt, Int64, UnsafeRawPointer?) -> Status
  let getAttribute: @convention(c) (UInt, CInt, CInt, Int64, Out<Int64>, UnsafeMutableRawPointer?) -> Status
  let finalize: @convention(c) (UInt) -> Status
  let execute: @convention(c) (UInt, UInt, UInt) -> Status

  private let versionNumber: @convention(c) () -> Int
  private let errorString: @convention(c) (Status) -> UnsafePointer<CChar>
  private let lastErrorString: @convention(c) (Out<CChar>, Int) -> Void

  /// Opens cuDNN, which finds its other parts beside itself.
  ///
  /// - Throws: `CUDALibraryError` where it is missing or too old.
  init() throws(CUDALibraryError) {
    // cuDNN asks the loader for cuBLAS by name and ends the process where that fails, so cuBLAS is opened first.
    _ = try BLASLibrary.shared.get()
    let library = try DynamicLibrary(
      names: ["libcudnn.so.9"], hint: "It comes as the package cudnn9-cuda-13 or the Python wheel nvidia-cudnn-cu13")
    createHandle = try library.symbol("cudnnCreate")
    destroyHandle = try library.symbol("cudnnDestroy")
    setStream = try library.symbol("cudnnSetStream")
    createDescriptor = try library.symbol("cudnnBackendCreateDescriptor")
    destroyDescriptor = try library.symbol("cudnnBackendDestroyDescriptor")
    setAttribute = try library.symbol("cudnnBackendSetAttribute")
    getAttribute = try library.symbol("cudnnBackendGetAttribute")
    finalize = try library.symbol("cudnnBackendFinalize")
    execute = try library.symbol("cudnnBackendExecute")
    versionNumber = try library.symbol("cudnnGetVersion")
    errorString = try library.symbol("cudnnGetErrorString")
    lastErrorString = try library.symbol("cudnnGetLastErrorString")
  }

  /// cuDNN, opened once, or why it cannot be.
  static let shared: Result<DNNLibrary, CUDALibraryError> = Result { () throws(CUDALibraryError) in
    try DNNLibrary()
  }

  /// The version, such as 9.14.0.
  var version: String {
    let number = versionNumber()
    return "\(number / 10000).\(number / 100 % 100).\(number % 100)"
  }

  /// Throws what cuDNN says about a call that did not succeed.
  func require(_ status: Status, _ call: @autoclosure () -> String) throws(CUDALibraryError) {
    guard status != 0 else { return }
    var message = [CChar](repeating: 0, count: 2048)
    lastErrorString(&message, message.count)
    let details = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw .failed(call: call(), reason: "\(String(cString: errorString(status))). \(details)")
  }
}
