/// The functions and classes of Python's that a checkpoint may name and that are understood. All others are ignored.
enum TorchGlobal {
  case orderedDictionary
  case set
  case size
  case parameterDictionary
  case encode
  case rebuildTensor
  case rebuildTypedTensor
  case rebuildParameter
  case rebuildFromType
  case numpyScalar
  case numpyType
  case storage(TorchNumberType)
  case numberType(TorchNumberType)

  init?(_ name: String) {
    switch name {
    case "collections.OrderedDict", "collections.defaultdict": self = .orderedDictionary
    case "__builtin__.set", "builtins.set", "builtins.frozenset": self = .set
    case "torch.Size": self = .size
    case "torch.nn.modules.container.ParameterDict": self = .parameterDictionary
    case "_codecs.encode": self = .encode
    case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2": self = .rebuildTensor
    case "torch._utils._rebuild_tensor_v3": self = .rebuildTypedTensor
    case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state": self = .rebuildParameter
    case "torch._tensor._rebuild_from_type_v2": self = .rebuildFromType
    case "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar": self = .numpyScalar
    case "numpy.dtype": self = .numpyType
    case "torch.storage.UntypedStorage", "torch.UntypedStorage", "torch.storage._UntypedStorage":
      self = .storage(TorchNumberType(name: "untyped", byteCount: 1, stored: .uint8))
    default:
      guard let type = Self.type(ofStorage: name) ?? Self.type(named: name) else { return nil }
      self = type
    }
  }

  /// A class of storages, such as `torch.FloatStorage` or, when it was saved on a GPU, `torch.cuda.FloatStorage`.
  private static func type(ofStorage name: String) -> TorchGlobal? {
    for module in ["torch.cuda.", "torch.storage.", "torch."] where name.hasPrefix(module) {
      let type = name.dropFirst(module.count)
      guard type.hasSuffix("Storage") else { continue }
      return TorchNumberType(storage: String(type.dropLast("Storage".count))).map { .storage($0) }
    }
    return nil
  }

  private static func type(named name: String) -> TorchGlobal? {
    guard name.hasPrefix("torch.") else { return nil }
    return TorchNumberType(dtype: String(name.dropFirst("torch.".count))).map { .numberType($0) }
  }
}
