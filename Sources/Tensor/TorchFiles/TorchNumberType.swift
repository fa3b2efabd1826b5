/// A type of number of PyTorch's, whether or not it is supported here.
struct TorchNumberType: Sendable, Equatable {
  /// PyTorch's name, such as `complex64`.
  let name: String
  /// The size of one number.
  let byteCount: Int
  /// The same type here, or nil.
  let stored: StoredType?

  init(name: String, byteCount: Int, stored: StoredType?) {
    self.name = name
    self.byteCount = byteCount
    self.stored = stored
  }

  private init(_ name: String, _ stored: StoredType) {
    self.init(name: name, byteCount: stored.byteCount, stored: stored)
  }

  /// What stands before `Storage` in the names of PyTorch's classes, by dtype. Later dtypes have no classes.
  private static let storages = [
    "float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int",
    "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", "quint8": "QUInt8", "qint8": "QInt8", "qint32": "QInt32", "quint4x2": "QUInt4x2",
    "quint2x4": "QUInt2x4",
  ]
  private static let dtypes = Dictionary(uniqueKeysWithValues: storages.map { ($1, $0) })

  /// What stands before `Storage` in the name of its class, or nil where it has none of its own.
  var storage: String? { Self.storages[name] }

  /// The type whose class of storages begins with `storage`.
  init?(storage: String) {
    guard let dtype = Self.dtypes[storage] else { return nil }
    self.init(dtype: dtype)
  }

  /// The type that goes by another name here.
  init(_ stored: StoredType) {
    let name =
      switch stored {
      case .bool: "bool"
      case .uint8: "uint8"
      case .int8: "int8"
      case .float8e5m2: "float8_e5m2"
      case .float8e4m3: "float8_e4m3fn"
      case .int16: "int16"
      case .uint16: "uint16"
      case .float16: "float16"
      case .bfloat16: "bfloat16"
      case .int32: "int32"
      case .uint32: "uint32"
      case .float32: "float32"
      case .float64: "float64"
      case .int64: "int64"
      case .uint64: "uint64"
      }
    self.init(name, stored)
  }

  private static let supported = Dictionary(
    uniqueKeysWithValues: StoredType.allCases.map { stored in
      let type = TorchNumberType(stored)
      return (type.name, type)
    })

  /// The types by the names of PyTorch's dtypes.
  init?(dtype: String) {
    if let supported = Self.supported[dtype] {
      self = supported
      return
    }
    switch dtype {
    case "complex128": self.init(name: dtype, byteCount: 16, stored: nil)
    case "complex64": self.init(name: dtype, byteCount: 8, stored: nil)
    case "complex32", "qint32": self.init(name: dtype, byteCount: 4, stored: nil)
    case "quint8", "qint8", "quint4x2", "quint2x4", "float8_e5m2fnuz", "float8_e4m3fnuz", "float8_e8m0fnu":
      self.init(name: dtype, byteCount: 1, stored: nil)
    default: return nil
    }
  }
}
