/// A contiguous, row-major array of numbers on one device.
///
/// Tensors share storage when copied. Only the operation that allocated a tensor writes to it; the exceptions are
/// gradients, parameters and optimiser state, which are updated in place by the code that owns them.
public struct Tensor: Sendable {
  /// The memory behind the tensor, shared by its views. Settable inside the package so that uniqueness can be asked.
  public package(set) var storage: Storage
  /// Where this tensor starts inside its storage, in bytes.
  public let byteOffset: Int
  /// The extents.
  public let shape: Shape
  /// The type of the elements.
  public let dtype: DType

  /// A tensor whose elements are undefined until something writes them.
  public init(empty shape: Shape, dtype: DType = .float32, on backend: any Backend) {
    self.init(
      storage: Storage(backend, byteCount: shape.count * dtype.byteCount), byteOffset: 0, shape: shape, dtype: dtype)
  }

  init(storage: Storage, byteOffset: Int, shape: Shape, dtype: DType) {
    self.storage = storage
    self.byteOffset = byteOffset
    self.shape = shape
    self.dtype = dtype
  }

  /// The device the tensor lives on.
  public var backend: any Backend { storage.backend }

  /// The number of elements.
  public var count: Int { shape.count }

  /// The size of the elements in bytes.
  public var byteCount: Int { shape.count * dtype.byteCount }

  /// The address of the first element in the backend's memory.
  public var address: UInt { storage.block.address + UInt(byteOffset) }

  /// An undefined tensor on the same device, of the same shape and type unless told otherwise.
  public func emptyLike(_ shape: Shape? = nil, dtype: DType? = nil) -> Tensor {
    Tensor(empty: shape ?? self.shape, dtype: dtype ?? self.dtype, on: backend)
  }

  /// Whether no other tensor shares this one's memory, so that writing in place is unseen by anyone else.
  package mutating func isUniquelyReferenced() -> Bool {
    isKnownUniquelyReferenced(&storage)
  }
}

// MARK: - Views

extension Tensor {
  /// The same elements under another shape of the same count.
  public func reshaped(_ shape: Shape, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    require(
      shape.count == count, "reshaped: \(self.shape) has \(count) elements, \(shape) has \(shape.count)",
      file: file, line: line)
    return Tensor(storage: storage, byteOffset: byteOffset, shape: shape, dtype: dtype)
  }

  /// Rows `range` of the first axis, without copying.
  public func rows(_ range: Range<Int>, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    require(
      shape.rank > 0 && range.lowerBound >= 0 && range.upperBound <= shape[0],
      "rows: \(range) is outside the first axis of \(shape)", file: file, line: line)
    let rowBytes = shape.dimensions.dropFirst().reduce(1, *) * dtype.byteCount
    return Tensor(
      storage: storage, byteOffset: byteOffset + range.lowerBound * rowBytes,
      shape: shape.replacing(0, with: range.count), dtype: dtype)
  }

  /// `count` elements from `offset` on, as a tensor of the given shape; how an arena hands out its parts.
  package func part(at offset: Int, _ shape: Shape) -> Tensor {
    require(offset >= 0 && offset + shape.count <= count, "part: [\(offset), \(shape)] is outside \(self.shape)")
    return Tensor(storage: storage, byteOffset: byteOffset + offset * dtype.byteCount, shape: shape, dtype: dtype)
  }
}
