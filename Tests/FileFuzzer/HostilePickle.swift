/// Pickles that were never written by Python: programs of random instructions, and names that would run code.
struct HostilePickle {
  private static let globals = [
    "os\nsystem", "posix\nsystem", "builtins\neval", "builtins\nexec", "builtins\n__import__", "subprocess\nPopen",
    "torch._utils\n_rebuild_tensor_v2", "torch._utils\n_rebuild_tensor_v3", "torch._utils\n_rebuild_parameter",
    "torch._tensor\n_rebuild_from_type_v2", "collections\nOrderedDict", "torch\nFloatStorage", "torch\nBoolStorage",
    "torch.storage\nUntypedStorage", "torch\nfloat32", "torch\nSize", "numpy.core.multiarray\nscalar", "numpy\ndtype",
    "_codecs\nencode", "torch.nn.modules.container\nParameterDict", "builtins\nset", "torch\nComplexFloatStorage",
  ]
  private static let strings = [
    "storage", "0", "1", "2", "cpu", "state_dict", "_parameters", "latin1", "f8", "i8", "b1", "<", ">", "a", "",
  ]
  /// Instructions without arguments.
  private static let plain: [UInt8] =
    Array("(0120)}])elatuRQsdo".utf8) + [
      0x52, 0x62, 0x75, 0x4e, 0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94,
    ]

  /// A program of random instructions, many of which make sense.
  static func program(_ mutator: inout Mutator) -> [UInt8] {
    var program: [UInt8] = [0x80, UInt8(mutator.below(6))]
    for _ in 0..<mutator.below(400) { program += instruction(&mutator) }
    return program + [UInt8(ascii: ".")]
  }

  /// Instructions put between those of a real pickle.
  static func injection(into pickle: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    let place = mutator.below(pickle.count)
    return pickle[..<place] + (0...mutator.below(20)).flatMap { _ in instruction(&mutator) } + pickle[place...]
  }

  private static func instruction(_ mutator: inout Mutator) -> [UInt8] {
    switch mutator.below(14) {
    case 0: return Array("c\(mutator.choice(globals))\n".utf8)
    case 1: return text(mutator.choice(strings))
    case 2: return [UInt8(ascii: "K"), UInt8(mutator.below(8))]
    case 3: return [UInt8(ascii: "J")] + number(mutator.choice([-1, 0, 1, 6, .max, .min]))
    case 4: return [0x8a, 8] + (0..<8).map { _ in mutator.choice([0x00, 0xff, 0x7f, 0x01]) }
    case 5: return [UInt8(ascii: "q"), UInt8(mutator.below(8))]
    case 6, 7: return [UInt8(ascii: "h"), UInt8(mutator.below(8))]
    case 8: return tensor(&mutator)
    case 9: return [UInt8(ascii: "]"), 0x94, UInt8(ascii: "h"), 0, UInt8(ascii: "a")]
    case 10: return Array(repeating: mutator.choice([0x85, 0x28, 0x5d, 0x74]), count: mutator.below(300))
    default: return [mutator.choice(plain)]
    }
  }

  /// A call that makes a tensor of doubtful extents.
  private static func tensor(_ mutator: inout Mutator) -> [UInt8] {
    func extents(_ mutator: inout Mutator) -> [UInt8] {
      let integers = (0..<mutator.below(5)).flatMap { _ in
        mutator.below(3) == 0
          ? [UInt8(ascii: "J")] + number(mutator.choice([.max, 0, -1, 65536]))
          : [UInt8(ascii: "K"), UInt8(mutator.below(7))]
      }
      return [UInt8(ascii: "(")] + integers + [UInt8(ascii: "t")]
    }
    let storage = mutator.choice(["torch\nFloatStorage", "torch\nBoolStorage", "torch\nLongStorage", "os\nsystem"])
    return Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage") + Array("c\(storage)\n".utf8)
      + text(mutator.choice(["0", "1", "9"])) + text("cpu") + [UInt8(ascii: "K"), UInt8(mutator.below(9))]
      + Array("tQK".utf8) + [UInt8(mutator.below(4))] + extents(&mutator) + extents(&mutator)
      + [0x89] + Array("ccollections\nOrderedDict\n)RtR".utf8)
  }

  private static func text(_ string: String) -> [UInt8] {
    [UInt8(ascii: "X")] + number(Int32(string.utf8.count)) + Array(string.utf8)
  }

  private static func number(_ number: Int32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
}
