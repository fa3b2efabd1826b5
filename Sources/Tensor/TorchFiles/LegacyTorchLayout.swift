/// Where the parts of a file stand that `torch.save` wrote before PyTorch 1.6: five pickles one after another, and then
/// each storage as a count of eight bytes and its numbers.
///
/// The pickles are a magic number, the version of the layout, facts about the machine, the contents and the order of the
/// storages.
struct LegacyTorchLayout {
  let graph: PickleGraph
  private let blocks: [String: Range<Int>]

  /// The pickled number that every such file begins with, without the protocol in front of it.
  static let magic: [UInt8] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]

  /// How a file begins whose pickles are of a protocol.
  static func signature(protocol version: UInt8) -> [UInt8] { [0x80, version] + magic }

  /// Reads the pickles and finds the storages.
  ///
  /// - Throws: `TorchFileError.Problem`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    var reader = ByteReader(bytes)
    _ = try PickleMachine.run(&reader)
    guard case .integer(1001) = try PickleMachine.run(&reader).root else {
      throw TorchFileError.Problem.damagedPickle(at: reader.position, "is of an unknown version of the layout")
    }
    try Self.checkMachine(try PickleMachine.run(&reader))
    graph = try PickleMachine.run(&reader)
    let order = try PickleMachine.run(&reader)
    guard case .list(let keys)? = order.node(order.root) else {
      throw TorchFileError.Problem.damagedPickle(at: reader.position, "does not tell the order of the storages")
    }
    do {
      blocks = try Self.blocks(keys, of: try Self.storages(in: graph), &reader)
    } catch is ByteReader.EndOfBytes {
      throw TorchFileError.Problem.damagedTensor("its last storages are missing; the file is cut short")
    }
  }

  private static func checkMachine(_ facts: PickleGraph) throws {
    guard case .dictionary(let pairs)? = facts.node(facts.root) else { return }
    for index in stride(from: 0, to: pairs.count, by: 2) {
      if case .string("little_endian") = pairs[index], case .bool(false) = pairs[index + 1] {
        throw TorchFileError.Problem.bigEndian
      }
    }
  }

  /// The storages that the contents refer to, by their keys.
  private static func storages(in graph: PickleGraph) throws -> [String: TorchStorage] {
    var storages: [String: TorchStorage] = [:]
    for case .persistent(let id) in graph.nodes {
      if let storage = try TorchStorage(id: id, in: graph) { storages[storage.key] = storage }
    }
    return storages
  }

  private static func blocks(
    _ keys: [PickleGraph.Value], of storages: [String: TorchStorage], _ reader: inout ByteReader
  ) throws -> [String: Range<Int>] {
    var blocks: [String: Range<Int>] = [:]
    for case .string(let key) in keys {
      // What nothing refers to is of unknown width, so whatever follows it cannot be found either.
      guard let storage = storages[key] else { break }
      let count = try reader.count(UInt64.self)
      let (byteCount, overflow) = count.multipliedReportingOverflow(by: storage.type.byteCount)
      let start = reader.position
      _ = try reader.take(overflow ? .max : byteCount)
      blocks[key] = start..<reader.position
    }
    return blocks
  }

  /// Where the bytes of a storage stand in the file.
  ///
  /// - Throws: `TorchFileError.Problem` where there are fewer than it should have.
  func locate(_ storage: TorchStorage) throws -> Range<Int> {
    guard let block = blocks[storage.key] else { throw TorchFileError.Problem.missingEntry(storage.key) }
    return try storage.range(in: block)
  }
}
