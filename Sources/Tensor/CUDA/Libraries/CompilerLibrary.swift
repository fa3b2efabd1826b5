/// NVRTC, NVIDIA's compiler for CUDA C++ as a library.
struct CompilerLibrary: Sendable {
  typealias Status = CInt
  typealias Out<Value> = UnsafeMutablePointer<Value>

  private let versionOf: @convention(c) (Out<CInt>, Out<CInt>) -> Status
  private let errorString: @convention(c) (Status) -> UnsafePointer<CChar>
  private let architectureCount: @convention(c) (Out<CInt>) -> Status
  private let architectures: @convention(c) (Out<CInt>) -> Status
  private let createProgram:
    @convention(c) (
      Out<UInt>, UnsafePointer<CChar>, UnsafePointer<CChar>, CInt, UnsafePointer<UnsafePointer<CChar>?>?,
      UnsafePointer<UnsafePointer<CChar>?>?
    ) -> Status
  private let compileProgram: @convention(c) (UInt, CInt, UnsafePointer<UnsafePointer<CChar>?>?) -> Status
  private let destroyProgram: @convention(c) (Out<UInt>) -> Status
  private let logSize: @convention(c) (UInt, Out<Int>) -> Status
  private let log: @convention(c) (UInt, Out<CChar>) -> Status
  private let codeSize: @convention(c) (UInt, Out<Int>) -> Status
  private let code: @convention(c) (UInt, UnsafeMutableRawPointer) -> Status

  /// Opens the compiler.
  ///
  /// - Throws: `CUDALibraryError` where it is missing or too old.
  init() throws(CUDALibraryError) {
    let hint = "It comes with the CUDA toolkit (cuda-nvrtc-13-0) or the Python wheel nvidia-cuda-nvrtc"
    let library = try DynamicLibrary(names: ["libnvrtc.so.13", "libnvrtc.so.12"], hint: hint)
    versionOf = try library.symbol("nvrtcVersion")
    errorString = try library.symbol("nvrtcGetErrorString")
    architectureCount = try library.symbol("nvrtcGetNumSupportedArchs")
    architectures = try library.symbol("nvrtcGetSupportedArchs")
    createProgram = try library.symbol("nvrtcCreateProgram")
    compileProgram = try library.symbol("nvrtcCompileProgram")
    destroyProgram = try library.symbol("nvrtcDestroyProgram")
    logSize = try library.symbol("nvrtcGetProgramLogSize")
    log = try library.symbol("nvrtcGetProgramLog")
    codeSize = try library.symbol("nvrtcGetCUBINSize")
    code = try library.symbol("nvrtcGetCUBIN")
    // When it first compiles, it asks the loader for its second half by name. That half is opened here, from wherever it
    // lies.
    _ = try DynamicLibrary(names: ["libnvrtc-builtins.so.\(version)"], hint: hint, isGlobal: true)
  }

  /// The compiler, opened once, or why it cannot be.
  static let shared: Result<CompilerLibrary, CUDALibraryError> = Result { () throws(CUDALibraryError) in
    try CompilerLibrary()
  }

  /// The version, such as 13.0.
  var version: String {
    var (major, minor): (CInt, CInt) = (0, 0)
    _ = versionOf(&major, &minor)
    return "\(major).\(minor)"
  }

  /// The newest card it knows, as ten times the compute capability.
  var newestCapability: Int {
    var count: CInt = 0
    _ = architectureCount(&count)
    var known = [CInt](repeating: 0, count: Int(count))
    _ = architectures(&known)
    return known.max().map(Int.init) ?? 0
  }

  /// Machine code for one kind of card.
  ///
  /// - Parameters:
  ///   - name: the family, for messages.
  ///   - capability: ten times the compute capability, such as 90.
  /// - Throws: `CUDALibraryError.failed` with the compiler's log.
  func compile(_ text: String, name: String, capability: Int) throws(CUDALibraryError) -> [UInt8] {
    var program: UInt = 0
    let status = createProgram(&program, text, "\(name).cu", 0, nil, nil)
    guard status == 0 else { throw .failed(call: "nvrtcCreateProgram", reason: String(cString: errorString(status))) }
    defer { _ = destroyProgram(&program) }
    guard compile(program, ["--gpu-architecture=sm_\(capability)", "--std=c++17"]) == 0 else {
      throw .failed(call: "compiling the \(name) kernels for sm_\(capability)", reason: messages(program))
    }
    var size = 0
    guard codeSize(program, &size) == 0, size > 0 else {
      throw .failed(call: "nvrtcGetCUBINSize", reason: "no machine code for sm_\(capability)")
    }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      _ = buffer.baseAddress.map { code(program, $0) }
      count = size
    }
  }

  private func compile(_ program: UInt, _ options: [String]) -> Status {
    let copies = options.map { $0.utf8CString }
    var pointers: [UnsafePointer<CChar>?] = []
    /// Nests the borrows of all options, since a pointer is valid inside its closure only.
    func withOption(_ index: Int) -> Status {
      guard index < copies.count else { return compileProgram(program, CInt(pointers.count), pointers) }
      return copies[index].withUnsafeBufferPointer { option in
        pointers.append(option.baseAddress)
        return withOption(index + 1)
      }
    }
    return withOption(0)
  }

  private func messages(_ program: UInt) -> String {
    var size = 0
    guard logSize(program, &size) == 0, size > 1 else { return "no message" }
    var text = [CChar](repeating: 0, count: size)
    _ = log(program, &text)
    return String(decoding: text.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
