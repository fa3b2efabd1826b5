/// NCCL, NVIDIA's library for several cards. So far only its version is asked for.
struct CollectiveLibrary: Sendable {
  /// The version, such as 2.28.3.
  let version: String

  /// Opens the library.
  ///
  /// - Throws: `CUDALibraryError` where it is missing.
  init() throws(CUDALibraryError) {
    let library = try DynamicLibrary(
      names: ["libnccl.so.2"], hint: "It comes as the package libnccl2 or the Python wheel nvidia-nccl-cu13")
    let getVersion = try library.symbol(
      "ncclGetVersion", as: (@convention(c) (UnsafeMutablePointer<CInt>) -> CInt).self)
    var number: CInt = 0
    guard getVersion(&number) == 0 else {
      throw .failed(call: "ncclGetVersion", reason: "the library gave no version")
    }
    version = "\(number / 10000).\(number / 100 % 100).\(number % 100)"
  }
}
