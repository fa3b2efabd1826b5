/// The types of number a tensor holds. A value, not a generic parameter, so that mixed precision needs no second API.
public enum DType: UInt8, Sendable, CaseIterable, CustomStringConvertible {
  case float32, float16, bfloat16, int32, uint8

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .float32, .int32: 4
    case .float16, .bfloat16: 2
    case .uint8: 1
    }
  }

  /// Whether the type holds real numbers, of whatever width.
  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float16, .bfloat16: true
    case .int32, .uint8: false
    }
  }

  /// The name as PyTorch prints it.
  public var description: String {
    switch self {
    case .float32: "float32"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .int32: "int32"
    case .uint8: "uint8"
    }
  }
}

/// A Swift type whose arrays can be copied into and out of a tensor.
public protocol Element: BitwiseCopyable, Sendable {
  /// The tensor type of the same layout.
  static var dtype: DType { get }
}

extension Float: Element {
  /// Single precision.
  public static var dtype: DType { .float32 }
}
extension Float16: Element {
  /// IEEE half precision.
  public static var dtype: DType { .float16 }
}
extension BFloat16: Element {
  /// Half precision with the exponent range of `Float`.
  public static var dtype: DType { .bfloat16 }
}
extension Int32: Element {
  /// Token ids, timesteps and other indices.
  public static var dtype: DType { .int32 }
}
extension UInt8: Element {
  /// Bytes, for instance of pictures.
  public static var dtype: DType { .uint8 }
}
