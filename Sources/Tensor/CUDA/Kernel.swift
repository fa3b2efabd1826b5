/// CUDA C++ text that holds one family of kernels.
///
/// The text is compiled by NVRTC for the card at hand and needs no header of the CUDA toolkit. `KernelPrelude` stands
/// before it, then the macros of the variant.
struct KernelSource: Sendable, Hashable {
  /// What the family is called in error messages and profiles.
  let name: String
  /// The code, without the prelude. Entry points are `extern "C" __global__`.
  let text: String
  /// Every set of macros that the family is compiled with, so that all of them can be checked without a card.
  let variants: [[KernelMacro]]
  /// The oldest card that the code is for, as ten times the compute capability.
  var minimumCapability = CUDADevice.oldestCapability

  /// Families are told apart by their names: every launch looks its kernel up, and texts are long.
  static func == (first: KernelSource, second: KernelSource) -> Bool { first.name == second.name }
  func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// A macro that a family of kernels is compiled with, such as `T=bf16`.
struct KernelMacro: Sendable, Hashable {
  /// The name.
  let name: String
  /// What it stands for.
  let value: String

  /// A macro of the given value.
  init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }

  /// A macro that stands for the element type of a tensor.
  init(_ name: String, _ dtype: DType) {
    self.init(name, dtype.kernelName)
  }
}

/// One entry point of a family, compiled with certain macros.
struct Kernel: Sendable, Hashable {
  /// The family.
  let source: KernelSource
  /// The entry point.
  let function: String
  /// The macros, one of the family's variants.
  let macros: [KernelMacro]

  /// The entry point `function` of a family.
  init(_ source: KernelSource, _ function: String, _ macros: KernelMacro...) {
    self.init(source, function, macros)
  }

  /// The entry point `function` of a family.
  init(_ source: KernelSource, _ function: String, _ macros: [KernelMacro]) {
    self.source = source
    self.function = function
    self.macros = macros
  }
}

/// An argument of a kernel, in the order and type of its declaration.
enum KernelArgument: Sendable {
  /// `T*`.
  case tensor(Tensor)
  /// `T*`, null where there is none.
  case optional(Tensor?)
  /// `int`.
  case int32(Int)
  /// `long long`.
  case int64(Int)
  /// `unsigned long long`.
  case uint64(UInt64)
  /// `unsigned`.
  case uint32(UInt32)
  /// `float`.
  case float(Float)
  /// `double`.
  case double(Double)
  /// A `struct` of four `long long`.
  case int64x4(SIMD4<Int>)
}

/// How many blocks of threads a kernel is started with.
struct KernelGrid: Sendable, Hashable {
  /// Blocks along the three axes.
  let x: Int, y: Int, z: Int

  /// The given blocks; one along the axes left out.
  init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
    self.x = x
    self.y = y
    self.z = z
  }
}

extension KernelArgument {
  /// `int`: whether a result is added to what its destination holds.
  static func accumulate(_ out: Destination) -> KernelArgument { .int32(out.write == .accumulate ? 1 : 0) }
}

extension KernelGrid {
  /// Blocks of `perBlock` elements each, as many as cover `count` elements.
  static func covering(_ count: Int, perBlock: Int) -> KernelGrid { KernelGrid((count + perBlock - 1) / perBlock) }
}

extension Tensor {
  /// The elements of this type in 16 bytes, the widest access of a thread.
  var vectorWidth: Int { 16 / dtype.byteCount }

  /// Whether the tensor starts where a thread may access 16 bytes at once.
  var isVectorAligned: Bool { address.isMultiple(of: 16) }
}

extension DType {
  /// The types that kernels compute with.
  static let floatingPoint = allCases.filter(\.isFloatingPoint)

  /// The type's name in CUDA C++.
  var kernelName: String {
    switch self {
    case .float32: "float"
    case .float16: "half"
    case .bfloat16: "bf16"
    case .int32: "int"
    case .uint8: "unsigned char"
    }
  }
}
