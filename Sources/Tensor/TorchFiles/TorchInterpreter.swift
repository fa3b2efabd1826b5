/// Turns what a pickle describes into values, for as much of it as is understood.
struct TorchInterpreter {
  /// Deeper than any checkpoint nests. Values that contain themselves end here too.
  static let depthLimit = 100

  private let graph: PickleGraph
  private let file: MappedFile
  /// Finds the bytes of a storage in the file.
  private let locate: (TorchStorage) throws -> Range<Int>
  /// What nodes have been turned into, and how deeply each nests. A node is visited once, however often it is referred to.
  private var finished: [(value: StoredValue, height: Int)?]

  /// Turns a whole pickle into a value.
  ///
  /// - Parameter locate: finds the bytes of a storage in the file.
  /// - Throws: `TorchFileError.Problem`, or what `locate` throws.
  static func value(
    of graph: PickleGraph, in file: MappedFile, locate: @escaping (TorchStorage) throws -> Range<Int>
  ) throws -> StoredValue {
    var interpreter = TorchInterpreter(graph: graph, file: file, locate: locate)
    return try interpreter.value(graph.root, depth: 0).value
  }

  /// The functions and classes that a pickle names and that are not understood.
  static func ignoredGlobals(in graph: PickleGraph) -> [String] {
    var names: Set<String> = []
    for case .global(let name) in graph.nodes where TorchGlobal(name) == nil { names.insert(name) }
    return names.sorted()
  }

  private init(graph: PickleGraph, file: MappedFile, locate: @escaping (TorchStorage) throws -> Range<Int>) {
    self.graph = graph
    self.file = file
    self.locate = locate
    finished = Array(repeating: nil, count: graph.nodes.count)
  }

  private mutating func value(
    _ value: PickleGraph.Value, depth: Int
  ) throws -> (value: StoredValue, height: Int) {
    switch value {
    case .none: return (.none, 0)
    case .bool(let bool): return (.bool(bool), 0)
    case .integer(let integer): return (.integer(integer), 0)
    case .longInteger: return (.unknown("int"), 0)
    case .real(let real): return (.real(real), 0)
    case .string(let string): return (.string(string), 0)
    case .bytes(let bytes): return (.bytes(bytes), 0)
    case .node(let index):
      let known = finished[index]
      guard depth + (known?.height ?? 0) <= Self.depthLimit else {
        throw TorchFileError.Problem.tooLarge("its values are nested more than \(Self.depthLimit) deep")
      }
      if let known { return known }
      let result = try self.value(graph.nodes[index], depth: depth)
      finished[index] = result
      return result
    }
  }

  private mutating func value(_ node: PickleGraph.Node, depth: Int) throws -> (StoredValue, Int) {
    switch node {
    case .list(let elements), .tuple(let elements): try list(elements, depth)
    case .dictionary(let pairs): try dictionary(pairs, depth)
    case .global(let name): (.unknown(name), 0)
    case .persistent(let id): (.unknown(try TorchStorage(id: id, in: graph)?.type.name ?? "storage"), 0)
    case .call(let call): try self.value(call, depth)
    }
  }

  private mutating func list(_ elements: [PickleGraph.Value], _ depth: Int) throws -> (StoredValue, Int) {
    var height = 0
    let values = try elements.map {
      let element = try value($0, depth: depth + 1)
      height = max(height, element.height + 1)
      return element.value
    }
    return (.list(values), height)
  }

  private mutating func dictionary(_ values: [PickleGraph.Value], _ depth: Int) throws -> (StoredValue, Int) {
    guard case (.list(let flat), let height) = try list(values, depth) else { return (.none, 0) }
    let pairs = stride(from: 0, to: flat.count, by: 2).map { (flat[$0], flat[$0 + 1]) }
    return (.dictionary(StoredDictionary(pairs)), height)
  }

  // MARK: - Calls

  private mutating func value(_ call: PickleGraph.Call, _ depth: Int) throws -> (StoredValue, Int) {
    let arguments = graph.tuple(call.arguments) ?? []
    guard let name = graph.global(call.callee) else { return (.unknown("object"), 0) }
    switch TorchGlobal(name) {
    case .orderedDictionary:
      return try dictionary(initialPairs(arguments) + call.pairs, depth)
    case .set:
      guard case .list(let elements)? = arguments.first.flatMap(graph.node) else { return (.list([]), 0) }
      return try list(elements, depth)
    case .size: return try arguments.first.map { try value($0, depth: depth + 1) } ?? (.list([]), 0)
    case .parameterDictionary: return try parameters(call, name, depth)
    case .rebuildTensor: return (try tensor(arguments, type: nil), 0)
    case .rebuildTypedTensor: return (try typedTensor(arguments), 0)
    case .rebuildParameter: return try arguments.first.map { try value($0, depth: depth + 1) } ?? (.unknown(name), 0)
    case .rebuildFromType:
      // The function that makes a plain tensor, the subclass to give it, the function's arguments, attributes.
      guard arguments.count >= 3, let inner = graph.global(arguments[0]) else { return (.unknown(name), 0) }
      switch TorchGlobal(inner) {
      case .rebuildTensor, .rebuildTypedTensor, .rebuildParameter:
        return try value(PickleGraph.Call(callee: arguments[0], arguments: arguments[2]), depth)
      default: return (.unknown(inner), 0)
      }
    case .encode: return (encoded(arguments), 0)
    case .numpyScalar: return (NumpyScalar(arguments, graph)?.value ?? .unknown(name), 0)
    case .numpyType, .storage, .numberType, nil: return (.unknown(name), 0)
    }
  }

  /// The pairs that an ordered dictionary may be made from, as Python 2 wrote them: a list of lists of two.
  private func initialPairs(_ arguments: [PickleGraph.Value]) -> [PickleGraph.Value] {
    guard case .list(let pairs)? = arguments.first.flatMap(graph.node) else { return [] }
    return pairs.flatMap { pair -> [PickleGraph.Value] in
      switch graph.node(pair) {
      case .list(let parts)? where parts.count == 2, .tuple(let parts)? where parts.count == 2: return parts
      default: return []
      }
    }
  }

  /// The parameters of a `ParameterDict`, which embeddings of textual inversion were once saved as.
  private mutating func parameters(
    _ call: PickleGraph.Call, _ name: String, _ depth: Int
  ) throws -> (StoredValue, Int) {
    guard let state = call.state else { return (.unknown(name), 0) }
    let attributes = try value(state, depth: depth + 1)
    guard let parameters = attributes.value["_parameters"] else { return (.unknown(name), 0) }
    return (parameters, attributes.height)
  }

  private func tensor(_ arguments: [PickleGraph.Value], type: TorchNumberType?) throws -> StoredValue {
    guard arguments.count >= 4, case .persistent(let id)? = graph.node(arguments[0]) else {
      throw TorchFileError.Problem.damagedTensor("a tensor has no storage")
    }
    guard let storage = try TorchStorage(id: id, in: graph) else { return .unsupportedTensor("unknown") }
    let tensor = try TorchTensor(offset: arguments[1], shape: arguments[2], strides: arguments[3], in: graph)
    let type = type ?? storage.type
    guard let dtype = type.stored else { return .unsupportedTensor(type.name) }
    return .tensor(try tensor.stored(dtype, at: try locate(storage), in: file))
  }

  /// A tensor of a type that has no storages of its own. The type stands behind the arguments of other tensors.
  private func typedTensor(_ arguments: [PickleGraph.Value]) throws -> StoredValue {
    guard arguments.count >= 7, let name = graph.global(arguments[6]), case .numberType(let type)? = TorchGlobal(name)
    else { return .unsupportedTensor("unknown") }
    return try tensor(arguments, type: type)
  }

  /// Bytes as protocol 2 writes them: text whose characters are the bytes.
  private func encoded(_ arguments: [PickleGraph.Value]) -> StoredValue {
    graph.latin1(arguments).map { .bytes($0) } ?? .unknown("_codecs.encode")
  }
}
