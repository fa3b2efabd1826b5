/// Writes the pickle of a checkpoint, in protocol 2 as `torch.save` does.
struct TorchPickler {
  /// The tensors in the order of their storages, whose keys are 0, 1, 2 and so on.
  private(set) var items: [TensorItem] = []
  private var body: [UInt8] = []
  /// Where Python's functions and classes were kept when they were first named.
  private var memo: [String: UInt8] = [:]

  /// The whole pickle.
  var bytes: [UInt8] { [PickleOpcode.proto.rawValue, 2] + body + [PickleOpcode.stop.rawValue] }

  /// Writes a value and, by their ids, the tensors in it.
  mutating func write(_ contents: TorchContents) {
    switch contents {
    case .none: put(.none)
    case .bool(let bool): put(bool ? .newTrue : .newFalse)
    case .integer(let integer): write(integer)
    case .real(let real): put(.binFloat, real.bitPattern.byteSwapped)
    case .string(let string): write(string)
    case .tensor(let item): write(item)
    case .dictionary(let pairs):
      require(Set(pairs.map(\.key)).count == pairs.count, "TorchContents: a key comes twice in \(pairs.map(\.key))")
      put(.emptyDict)
      put(.mark)
      for pair in pairs {
        write(pair.key)
        write(pair.value)
      }
      put(.setItems)
    }
  }

  /// A call of the function by which PyTorch makes a tensor from its storage, of which it is the whole.
  private mutating func write(_ item: TensorItem) {
    let type = TorchNumberType(item.dtype)
    writeGlobal("torch._utils", type.storage == nil ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2")
    put(.mark)
    writeStorage(of: item, type)
    write(0)
    write(tuple: item.shape.dimensions)
    write(tuple: item.shape.dimensions.indices.map { item.shape.dimensions[($0 + 1)...].reduce(1, *) })
    // No gradient is wanted, and no hooks are called for one.
    put(.newFalse)
    writeGlobal("collections", "OrderedDict")
    put(.emptyTuple)
    put(.reduce)
    if type.storage == nil { writeGlobal("torch", type.name) }
    put(.tuple)
    put(.reduce)
  }

  private mutating func writeStorage(of item: TensorItem, _ type: TorchNumberType) {
    put(.mark)
    write("storage")
    if let storage = type.storage {
      writeGlobal("torch", "\(storage)Storage")
    } else {
      writeGlobal("torch.storage", "UntypedStorage")
    }
    write("\(items.count)")
    write("cpu")
    // Storages without a type count bytes.
    write(type.storage == nil ? item.byteCount : item.shape.count)
    put(.tuple)
    put(.binPersId)
    items.append(item)
  }

  private mutating func write(tuple integers: [Int]) {
    put(.mark)
    for integer in integers { write(integer) }
    put(.tuple)
  }

  private mutating func write(_ integer: Int) {
    switch integer {
    case 0...0xff: put(.binInt1, UInt8(integer))
    case Int(Int32.min)...Int(Int32.max): put(.binInt, Int32(integer))
    default:
      put(.long1, UInt8(8))
      append(Int64(integer))
    }
  }

  private mutating func write(_ string: String) {
    put(.binUnicode, UInt32(string.utf8.count))
    body += Array(string.utf8)
  }

  private mutating func writeGlobal(_ module: String, _ name: String) {
    let global = "\(module)\n\(name)\n"
    if let index = memo[global] {
      put(.binGet, index)
    } else {
      put(.global)
      body += Array(global.utf8)
      // There are fewer functions and types of number than a byte counts.
      memo[global] = UInt8(memo.count)
      put(.binPut, UInt8(memo.count - 1))
    }
  }

  private mutating func put(_ opcode: PickleOpcode) { body.append(opcode.rawValue) }

  private mutating func put(_ opcode: PickleOpcode, _ argument: some FixedWidthInteger) {
    put(opcode)
    append(argument)
  }

  private mutating func append(_ integer: some FixedWidthInteger) {
    withUnsafeBytes(of: integer.littleEndian) { body += $0 }
  }
}
