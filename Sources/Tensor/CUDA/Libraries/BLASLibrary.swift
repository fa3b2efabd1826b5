/// cuBLASLt, NVIDIA's library for matrix products. Handles, descriptors and device addresses are plain numbers.
struct BLASLibrary: Sendable {
  typealias Status = CInt
  typealias Out<Value> = UnsafeMutablePointer<Value>
  /// `cublasLtMatmulDescSetAttribute` and its like: a descriptor, an attribute, and a value with its size.
  typealias SetAttribute = @convention(c) (UInt, CInt, UnsafeRawPointer, Int) -> Status
  typealias Destroy = @convention(c) (UInt) -> Status

  let create: @convention(c) (Out<UInt>) -> Status
  let destroy: Destroy
  let statusString: @convention(c) (Status) -> UnsafePointer<CChar>
  let versionNumber: @convention(c) () -> Int

  let createOperation: @convention(c) (Out<UInt>, CInt, CInt) -> Status
  let setOperationAttribute: SetAttribute
  let destroyOperation: Destroy
  let createLayout: @convention(c) (Out<UInt>, CInt, UInt64, UInt64, Int64) -> Status
  let setLayoutAttribute: SetAttribute
  let destroyLayout: Destroy
  let createPreference: @convention(c) (Out<UInt>) -> Status
  let setPreferenceAttribute: SetAttribute
  let destroyPreference: Destroy
  /// Handle, operation, layouts of A, B, C and D, preference, the most results that are wanted, results, their number.
  let findAlgorithms:
    @convention(c) (UInt, UInt, UInt, UInt, UInt, UInt, UInt, CInt, UnsafeMutableRawPointer, Out<CInt>) -> Status
  /// Handle, operation, α, A, B, β, C and D with their layouts, algorithm, workspace and its size, stream.
  let multiply:
    @convention(c) (
      UInt, UInt, UnsafeRawPointer, UInt, UInt, UInt, UInt, UnsafeRawPointer, UInt, UInt, UInt, UInt,
      UnsafeRawPointer, UInt, Int, UInt
    ) -> Status

  /// Opens the library.
  ///
  /// - Throws: `CUDALibraryError` where it is missing or too old.
  init() throws(CUDALibraryError) {
    let library = try DynamicLibrary(
      names: ["libcublasLt.so.13", "libcublasLt.so.12"],
      hint: "It comes with the CUDA toolkit (libcublas-13-0) or the Python wheel nvidia-cublas")
    create = try library.symbol("cublasLtCreate")
    destroy = try library.symbol("cublasLtDestroy")
    statusString = try library.symbol("cublasLtGetStatusString")
    versionNumber = try library.symbol("cublasLtGetVersion")
    createOperation = try library.symbol("cublasLtMatmulDescCreate")
    setOperationAttribute = try library.symbol("cublasLtMatmulDescSetAttribute")
    destroyOperation = try library.symbol("cublasLtMatmulDescDestroy")
    createLayout = try library.symbol("cublasLtMatrixLayoutCreate")
    setLayoutAttribute = try library.symbol("cublasLtMatrixLayoutSetAttribute")
    destroyLayout = try library.symbol("cublasLtMatrixLayoutDestroy")
    createPreference = try library.symbol("cublasLtMatmulPreferenceCreate")
    setPreferenceAttribute = try library.symbol("cublasLtMatmulPreferenceSetAttribute")
    destroyPreference = try library.symbol("cublasLtMatmulPreferenceDestroy")
    findAlgorithms = try library.symbol("cublasLtMatmulAlgoGetHeuristic")
    multiply = try library.symbol("cublasLtMatmul")
  }

  /// The library, opened once, or why it cannot be.
  static let shared: Result<BLASLibrary, CUDALibraryError> = Result { () throws(CUDALibraryError) in
    try BLASLibrary()
  }

  /// The version, such as 13.1.0.
  var version: String {
    let number = versionNumber()
    return "\(number / 10000).\(number / 100 % 100).\(number % 100)"
  }

  /// Stops the program if a call failed.
  func check(
    _ status: Status, _ call: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
  ) {
    if status != 0 {
      fatalError("cuBLASLt: \(call()) failed: \(String(cString: statusString(status)))", file: file, line: line)
    }
  }
}

// MARK: - The library's constants

extension BLASLibrary {
  /// `cublasComputeType_t`: how products are added up.
  enum ComputeType: CInt {
    /// In Float32; operands in Float32 are read whole, never shortened to TF32.
    case float32 = 68
  }

  /// `cublasLtMatmulDescAttributes_t`.
  enum OperationAttribute: CInt {
    case transposeA = 3
    case transposeB = 4
    case epilogue = 7
    case biasAddress = 8
  }

  /// `cublasOperation_t`.
  enum Transposition: Int32 {
    case none = 0
    case transposed = 1
  }

  /// `cublasLtEpilogue_t`: what happens to the result before it is stored.
  enum Epilogue: UInt32 {
    case none = 1
    case bias = 4
  }

  /// `cublasLtMatrixLayoutAttribute_t`.
  enum LayoutAttribute: CInt {
    case batchCount = 5
    case batchStride = 6
  }

  /// `cublasLtMatmulPreferenceAttributes_t`.
  enum PreferenceAttribute: CInt {
    case workspaceByteCount = 1
    case reductionSchemes = 3
    case alignmentA = 5
    case alignmentB = 6
    case alignmentC = 7
    case alignmentD = 8
  }

  /// `cublasLtReductionScheme_t`: how the parts of a sum that is cut along k come together.
  enum ReductionScheme: UInt32 {
    /// In Float32 in the workspace, in a fixed order.
    case float32 = 2
  }

  /// `cublasLtMatmulAlgo_t`, to be handed on as it is.
  typealias Algorithm = InlineArray<8, UInt64>

  /// `cublasLtMatmulHeuristicResult_t`.
  struct Candidate: BitwiseCopyable {
    var algorithm = Algorithm(repeating: 0)
    /// The workspace it needs, in bytes.
    var workspaceByteCount = 0
    var status: Status = 0
    /// How often it fills the GPU.
    var waves: Float = 0
    private var reserved = InlineArray<4, Int32>(repeating: 0)
  }
}

extension DType {
  /// `cudaDataType`.
  var blasType: CInt {
    switch self {
    case .float32: 0
    case .float16: 2
    case .bfloat16: 14
    case .int32, .uint8: fatalError("matrix products take floating-point tensors, not \(self)")
    }
  }
}
