/// What a pickle says of a tensor: which numbers of a storage it consists of.
struct TorchTensor {
  private let offset: Int
  private let shape: [Int]
  private let strides: [Int]
  /// As many axes as PyTorch itself allows.
  private static let rankLimit = 64

  /// Reads what `torch._utils._rebuild_tensor_v2` is given after the storage: offset, extents and strides, in numbers.
  ///
  /// - Throws: `TorchFileError.Problem`.
  init(offset: PickleGraph.Value, shape: PickleGraph.Value, strides: PickleGraph.Value, in graph: PickleGraph) throws {
    func integers(_ value: PickleGraph.Value) -> [Int]? {
      var tuple = value
      // torch.Size, where it is written out, is a call with a tuple.
      if case .call(let call)? = graph.node(value), case .size? = graph.global(call.callee).flatMap(TorchGlobal.init) {
        tuple = graph.tuple(call.arguments)?.first ?? value
      }
      guard let elements = graph.tuple(tuple), elements.count <= Self.rankLimit else { return nil }
      let integers = elements.compactMap { if case .integer(let integer) = $0, integer >= 0 { integer } else { nil } }
      return integers.count == elements.count ? integers : nil
    }
    guard case .integer(let offset) = offset, offset >= 0, let shape = integers(shape), let strides = integers(strides),
      shape.count == strides.count
    else {
      throw TorchFileError.Problem.damagedTensor("a tensor has an offset, extents or strides that make no sense")
    }
    self.offset = offset
    self.shape = shape
    self.strides = strides
  }

  /// Finds the tensor's bytes in a storage.
  ///
  /// - Parameters:
  ///   - block: where the storage's bytes stand in the file.
  ///   - dtype: the type of the tensor's numbers.
  /// - Throws: `TorchFileError.Problem` where the tensor reaches beyond the storage.
  func stored(_ dtype: StoredType, at block: Range<Int>, in file: MappedFile) throws -> StoredTensor {
    let width = dtype.byteCount
    func damaged(_ reason: String) -> TorchFileError.Problem {
      .damagedTensor("a tensor of the extents \(shape) and the strides \(strides) \(reason)")
    }
    guard let count = Self.product(shape), let byteCount = Self.product([count, width]) else {
      throw damaged("has more numbers than can be counted")
    }
    guard count > 0 else {
      return StoredTensor(dtype, Shape(shape), range: block.lowerBound..<block.lowerBound, in: file)
    }
    guard let last = lastNumber, last < block.count / width else {
      throw damaged("and the offset \(offset) reaches beyond its storage of \(block.count / width) numbers")
    }
    let range = block.lowerBound + offset * width..<block.lowerBound + (last + 1) * width
    guard !isContiguous else { return StoredTensor(dtype, Shape(shape), range: range, in: file) }
    // A stride of zero repeats numbers; without a limit, a few bytes would stand for more than there is memory.
    guard byteCount <= file.byteCount else { throw damaged("repeats its numbers until they outgrow the file") }
    return StoredTensor(dtype, Shape(shape), strides: strides, range: range, in: file)
  }

  /// The place in the storage of the number with the highest index, or nil where it cannot be counted.
  private var lastNumber: Int? {
    var last = offset
    for (extent, stride) in zip(shape, strides) {
      guard let distance = Self.product([extent - 1, stride]) else { return nil }
      let (sum, overflow) = last.addingReportingOverflow(distance)
      guard !overflow else { return nil }
      last = sum
    }
    return last
  }

  /// Whether the numbers stand in C order without gaps. The strides of axes with one number do not matter.
  private var isContiguous: Bool {
    var expected = 1
    for (extent, stride) in zip(shape, strides).reversed() where extent != 1 {
      guard stride == expected else { return false }
      expected *= extent
    }
    return true
  }

  private static func product(_ factors: [Int]) -> Int? {
    var product = 1
    for factor in factors {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      product = next
    }
    return product
  }
}
