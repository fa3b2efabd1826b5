/// The block of numbers that one or more tensors of a file look into.
struct TorchStorage {
  /// The type of its numbers; a byte where the tensors say the type.
  let type: TorchNumberType
  /// The name of its block in the file.
  let key: String
  /// Where its numbers begin in the block, which older files share between storages.
  let firstNumber: Int
  /// How many numbers it holds.
  let count: Int

  /// Reads the id under which a pickle refers to a storage:
  /// `("storage", class, key, device, number of elements)` and, in old files, the part of another storage that it is.
  ///
  /// - Returns: nil where the class is not one of PyTorch's storages.
  /// - Throws: `TorchFileError.Problem` where the id makes no sense.
  init?(id: PickleGraph.Value, in graph: PickleGraph) throws {
    guard let parts = graph.tuple(id), parts.count >= 5, case .string("storage") = parts[0],
      case .string(let key) = parts[2], case .integer(let count) = parts[4], count >= 0
    else { throw TorchFileError.Problem.damagedTensor("it refers to something outside the pickle that is no storage") }
    guard let name = graph.global(parts[1]), case .storage(let type)? = TorchGlobal(name) else { return nil }
    self.type = type
    self.key = key
    guard parts.count > 5, let view = graph.tuple(parts[5]) else {
      self.firstNumber = 0
      self.count = count
      return
    }
    guard view.count == 3, case .integer(let first) = view[1], case .integer(let length) = view[2],
      first >= 0, length >= 0, first <= count, length <= count - first
    else { throw TorchFileError.Problem.damagedTensor("a part of the storage '\(key)' lies outside it") }
    self.firstNumber = first
    self.count = length
  }
}

extension TorchStorage {
  /// Where its numbers stand in a block of bytes.
  ///
  /// - Throws: `TorchFileError.Problem` where the block is too short.
  func range(in block: Range<Int>) throws -> Range<Int> {
    let room = block.count / type.byteCount - firstNumber
    guard count <= room else {
      throw TorchFileError.Problem.damagedTensor(
        "the storage '\(key)' has \(block.count) bytes, too few for \(count) numbers")
    }
    let start = block.lowerBound + firstNumber * type.byteCount
    return start..<start + count * type.byteCount
  }
}
