/// Follows a pickle, which is a program for a small stack machine, without running anything that it names.
///
/// Python's own machine looks up functions and calls them; this one writes down which. The instructions are described in
/// the comments of Python's Lib/pickletools.py.
struct PickleMachine {
  /// Several times what the largest checkpoints need, some fifty for each tensor. Each instruction makes at most one
  /// value, so this bounds the memory as well.
  static let instructionLimit = 1_000_000

  private var graph = PickleGraph()
  private var stack: [PickleGraph.Value] = []
  /// How high the stack was at each mark.
  private var marks: [Int] = []
  private var memo: [Int: PickleGraph.Value] = [:]

  private init() {}

  /// Follows one pickle up to its end. What stands behind it is left to the reader.
  ///
  /// - Throws: `TorchFileError.Problem`.
  static func run(_ reader: inout ByteReader) throws -> PickleGraph {
    var machine = PickleMachine()
    var start = reader.position
    do {
      for _ in 0..<instructionLimit {
        start = reader.position
        let byte = try reader.byte()
        guard let opcode = PickleOpcode(rawValue: byte) else {
          throw Failure("has the unknown instruction \(byte)")
        }
        guard opcode != .stop else {
          machine.graph.root = try machine.pop()
          return machine.graph
        }
        try machine.run(opcode, &reader)
      }
    } catch let failure as Failure {
      throw TorchFileError.Problem.damagedPickle(at: start, failure.reason)
    } catch is ByteReader.EndOfBytes {
      throw TorchFileError.Problem.damagedPickle(at: start, "is cut short")
    }
    throw TorchFileError.Problem.tooLarge("its pickle has more than \(instructionLimit) instructions")
  }

  private struct Failure: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  // MARK: - Instructions

  private mutating func run(_ opcode: PickleOpcode, _ reader: inout ByteReader) throws {
    switch opcode {
    case .none, .newTrue, .newFalse, .binInt, .binInt1, .binInt2, .long1, .long4, .binFloat, .binString,
      .shortBinString, .binUnicode, .shortBinUnicode, .binUnicode8, .binBytes, .shortBinBytes, .binBytes8, .byteArray8:
      stack.append(try scalar(opcode, &reader))
    case .emptyList, .emptySet: push(.list([]))
    case .emptyTuple: push(.tuple([]))
    case .emptyDict: push(.dictionary([]))
    case .list, .frozenSet: push(.list(try popToMark()))
    case .tuple: push(.tuple(try popToMark()))
    case .tuple1: push(.tuple(try pop(1)))
    case .tuple2: push(.tuple(try pop(2)))
    case .tuple3: push(.tuple(try pop(3)))
    case .dict: push(.dictionary(try pairs(popToMark())))
    case .append: try append(try pop(1))
    case .appends, .addItems: try append(try popToMark())
    case .setItem: try set(try pop(2))
    case .setItems: try set(try pairs(popToMark()))
    case .mark: marks.append(stack.count)
    case .pop: try popOrUnmark()
    case .popMark: _ = try popToMark()
    case .dup: stack.append(try top())
    case .binPut: memo[Int(try reader.byte())] = try top()
    case .longBinPut: memo[try reader.count(UInt32.self)] = try top()
    case .memoize: memo[memo.count] = try top()
    case .binGet: stack.append(try remembered(Int(try reader.byte())))
    case .longBinGet: stack.append(try remembered(try reader.count(UInt32.self)))
    case .global: push(.global("\(text(try reader.line())).\(text(try reader.line()))"))
    case .stackGlobal: try lookUp(try pop(2))
    case .reduce, .newObj: try call(try pop(2))
    case .newObjEx:
      // Keyword arguments are not kept: no call that is understood has any.
      let parts = try pop(3)
      try call(Array(parts[..<2]))
    case .obj: try callOfMarked(try popToMark())
    case .build: try build(try pop())
    case .binPersId: push(.persistent(try pop()))
    case .proto:
      let version = try reader.byte()
      guard version <= 5 else { throw Failure("is of protocol \(version), beyond the known ones") }
    case .frame: _ = try reader.take(8)
    case .stop: break
    }
  }

  private func scalar(_ opcode: PickleOpcode, _ reader: inout ByteReader) throws -> PickleGraph.Value {
    switch opcode {
    case .newTrue: .bool(true)
    case .newFalse: .bool(false)
    case .binInt: .integer(Int(try reader.integer(Int32.self)))
    case .binInt1: .integer(Int(try reader.byte()))
    case .binInt2: .integer(Int(try reader.integer(UInt16.self)))
    case .long1: integer(try reader.take(Int(try reader.byte())))
    case .long4: integer(try reader.take(try reader.count(UInt32.self)))
    case .binFloat: .real(Double(bitPattern: try reader.integer(UInt64.self).byteSwapped))
    case .binString, .binUnicode: .string(text(try reader.take(try reader.count(UInt32.self))))
    case .shortBinString, .shortBinUnicode: .string(text(try reader.take(Int(try reader.byte()))))
    case .binUnicode8: .string(text(try reader.take(try reader.count(UInt64.self))))
    case .binBytes: .bytes(Array(try reader.take(try reader.count(UInt32.self))))
    case .shortBinBytes: .bytes(Array(try reader.take(Int(try reader.byte()))))
    case .binBytes8, .byteArray8: .bytes(Array(try reader.take(try reader.count(UInt64.self))))
    default: .none
    }
  }

  private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

  /// A little-endian integer in two's complement, of as many bytes as there are.
  private func integer(_ bytes: UnsafeRawBufferPointer) -> PickleGraph.Value {
    guard bytes.count <= 8 else { return .longInteger(Array(bytes)) }
    let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let unused = 64 - 8 * bytes.count
    return .integer(bytes.isEmpty ? 0 : Int(Int64(bitPattern: bits << unused) >> unused))
  }

  // MARK: - The stack

  private mutating func push(_ node: PickleGraph.Node) {
    stack.append(.node(graph.nodes.count))
    graph.nodes.append(node)
  }

  /// How many values lie above the last mark: others are out of reach until the mark is taken away.
  private var reachable: Int { stack.count - (marks.last ?? 0) }

  private func top() throws -> PickleGraph.Value {
    guard reachable > 0, let value = stack.last else { throw Failure("takes a value where there is none") }
    return value
  }

  private mutating func pop() throws -> PickleGraph.Value {
    let value = try top()
    stack.removeLast()
    return value
  }

  private mutating func pop(_ count: Int) throws -> [PickleGraph.Value] {
    guard reachable >= count else { throw Failure("takes more values than there are") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws -> [PickleGraph.Value] {
    guard let mark = marks.popLast() else { throw Failure("goes back to a mark where there is none") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func popOrUnmark() throws {
    if reachable > 0 { stack.removeLast() } else if marks.popLast() == nil { throw Failure("takes a value too many") }
  }

  private func pairs(_ values: [PickleGraph.Value]) throws -> [PickleGraph.Value] {
    guard values.count.isMultiple(of: 2) else { throw Failure("sets a key without a value") }
    return values
  }

  private func remembered(_ index: Int) throws -> PickleGraph.Value {
    guard let value = memo[index] else { throw Failure("refers to the value \(index), which it did not keep") }
    return value
  }

  // MARK: - Nodes

  /// Changes the node on top of the stack in its place.
  private mutating func changeTop(_ change: (inout PickleGraph.Node) -> Bool) throws {
    guard case .node(let index) = try top(), change(&graph.nodes[index]) else {
      throw Failure("changes a value that cannot be changed")
    }
  }

  private mutating func append(_ values: [PickleGraph.Value]) throws {
    try changeTop { node in
      switch node {
      case .list(var elements):
        node = .list([])
        elements += values
        node = .list(elements)
      case .call(var call):
        node = .list([])
        call.items += values
        node = .call(call)
      default: return false
      }
      return true
    }
  }

  private mutating func set(_ pairs: [PickleGraph.Value]) throws {
    try changeTop { node in
      switch node {
      case .dictionary(var entries):
        node = .list([])
        entries += pairs
        node = .dictionary(entries)
      case .call(var call):
        node = .list([])
        call.pairs += pairs
        node = .call(call)
      default: return false
      }
      return true
    }
  }

  /// Notes the state of an object. The attributes of lists and dictionaries are nobody's concern.
  private mutating func build(_ state: PickleGraph.Value) throws {
    try changeTop { node in
      if case .call(var call) = node {
        call.state = state
        node = .call(call)
      }
      return true
    }
  }

  private mutating func lookUp(_ names: [PickleGraph.Value]) throws {
    guard case .string(let module) = names[0], case .string(let name) = names[1] else {
      throw Failure("names a function by something else than text")
    }
    push(.global("\(module).\(name)"))
  }

  private mutating func call(_ parts: [PickleGraph.Value]) throws {
    guard graph.tuple(parts[1]) != nil else { throw Failure("calls a function without a tuple of arguments") }
    push(.call(PickleGraph.Call(callee: parts[0], arguments: parts[1])))
  }

  /// A call whose function and arguments stand behind a mark.
  private mutating func callOfMarked(_ values: [PickleGraph.Value]) throws {
    guard let callee = values.first else { throw Failure("calls nothing") }
    push(.tuple(Array(values.dropFirst())))
    try call([callee, try pop()])
  }
}
