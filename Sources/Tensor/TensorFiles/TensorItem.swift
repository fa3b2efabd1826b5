/// One tensor to be written to a file.
///
/// Its numbers are made, fetched from a device or read from another file only when its turn has come.
public struct TensorItem {
  /// What takes the bytes as they come.
  typealias Append = (UnsafeRawBufferPointer) throws -> Void

  /// Its name in the file.
  public let name: String
  /// Its extents.
  public let shape: Shape
  /// The type that its numbers are stored as.
  public let dtype: StoredType
  /// Hands over the bytes.
  private let produce: (_ append: Append) throws -> Void

  /// The size of its numbers in the file.
  public var byteCount: Int { shape.count * dtype.byteCount }

  /// A tensor that is made when its turn has come.
  ///
  /// - Parameters:
  ///   - dtype: the type to store; real numbers are converted.
  ///   - make: yields a tensor of the given shape.
  public init(_ name: String, _ shape: Shape, _ dtype: DType = .float32, _ make: @escaping () throws -> Tensor) {
    self.init(name, shape, StoredType(dtype)) { append in
      let made = try make()
      require(made.shape == shape, "\(name): made \(made.shape), announced \(shape)")
      let tensor = made.cast(to: dtype)
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: tensor.byteCount, alignment: 64)
      defer { bytes.deallocate() }
      tensor.backend.download(tensor, into: bytes)
      try append(UnsafeRawBufferPointer(bytes))
    }
  }

  /// A tensor that is at hand.
  public init(_ name: String, _ tensor: Tensor) {
    self.init(name, tensor.shape, tensor.dtype) { tensor }
  }

  /// A tensor of another file, bit by bit.
  public init(_ name: String, copying stored: StoredTensor) {
    self.init(name, stored.shape, stored.dtype) { append in try stored.withBytes(append) }
  }

  /// Bytes that are made when their turn has come: the numbers of a tensor in C order, little-endian.
  public init(_ name: String, _ shape: Shape, storedAs dtype: StoredType, bytes: @escaping () throws -> [UInt8]) {
    self.init(name, shape, dtype) { append in try bytes().withUnsafeBytes(append) }
  }

  /// Bytes that are handed over in order, in pieces that end between two numbers.
  init(
    _ name: String, _ shape: Shape, _ dtype: StoredType, produce: @escaping (_ append: Append) throws -> Void
  ) {
    self.name = name
    self.shape = shape
    self.dtype = dtype
    self.produce = produce
  }

  /// Writes the numbers and checks that they are as many as was announced.
  func write(to append: Append) throws {
    var count = 0
    try produce { bytes in
      count += bytes.count
      try append(bytes)
    }
    require(count == byteCount, "\(name): made \(count) bytes, announced \(byteCount)")
  }
}
