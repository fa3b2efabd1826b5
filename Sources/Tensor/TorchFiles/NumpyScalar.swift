/// A single number of NumPy's, which training scripts leave in checkpoints beside the weights.
struct NumpyScalar {
  let value: StoredValue

  /// Reads the arguments of `numpy.core.multiarray.scalar`: a type and bytes. nil where they are not understood.
  init?(_ arguments: [PickleGraph.Value], _ graph: PickleGraph) {
    guard arguments.count == 2, let type = Self.type(arguments[0], graph),
      let bytes = Self.bytes(arguments[1], graph), bytes.count == type.last?.wholeNumberValue
    else { return nil }
    let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    switch type {
    case "f8": value = .real(Double(bitPattern: bits))
    case "f4": value = .real(Double(Float(bitPattern: UInt32(bits))))
    case "f2": value = .real(Double(Float(halfBits: UInt16(bits))))
    case "i8": value = .integer(Int(Int64(bitPattern: bits)))
    case "i4": value = .integer(Int(Int32(truncatingIfNeeded: bits)))
    case "i2": value = .integer(Int(Int16(truncatingIfNeeded: bits)))
    case "i1": value = .integer(Int(Int8(truncatingIfNeeded: bits)))
    case "u4", "u2", "u1": value = .integer(Int(bits))
    case "b1": value = .bool(bits != 0)
    default: return nil
    }
  }

  /// The letter and the size of a type, such as `f8`, unless its most significant byte comes first.
  private static func type(_ value: PickleGraph.Value, _ graph: PickleGraph) -> String? {
    guard case .call(let call)? = graph.node(value), let callee = graph.global(call.callee),
      case .numpyType? = TorchGlobal(callee), case .string(let name)? = graph.tuple(call.arguments)?.first
    else { return nil }
    if let state = call.state.flatMap(graph.tuple), state.count > 1, case .string(">") = state[1] { return nil }
    return name
  }

  private static func bytes(_ value: PickleGraph.Value, _ graph: PickleGraph) -> [UInt8]? {
    if case .bytes(let bytes) = value { return bytes }
    // Python 2 had one type for text and bytes.
    if case .string(let text) = value { return PickleGraph.latin1(text) }
    guard case .call(let call)? = graph.node(value), let callee = graph.global(call.callee),
      case .encode? = TorchGlobal(callee)
    else { return nil }
    return graph.tuple(call.arguments).flatMap(graph.latin1)
  }
}

extension PickleGraph {
  /// Bytes as Python 3 writes them in protocol 2: text whose characters are the bytes, and the encoding's name.
  func latin1(_ arguments: [Value]) -> [UInt8]? {
    guard arguments.count == 2, case .string(let text) = arguments[0], case .string("latin1") = arguments[1] else {
      return nil
    }
    return Self.latin1(text)
  }

  static func latin1(_ text: String) -> [UInt8]? {
    let bytes = text.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
    return bytes.count == text.unicodeScalars.count ? bytes : nil
  }
}
