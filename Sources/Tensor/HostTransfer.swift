extension Tensor {
  /// Copies an array to a device.
  public init<E: Element>(
    _ values: [E], _ shape: Shape, on backend: any Backend, file: StaticString = #fileID, line: UInt = #line
  ) {
    require(
      values.count == shape.count, "Tensor: \(values.count) values do not fill \(shape)", file: file, line: line)
    self.init(empty: shape, dtype: E.dtype, on: backend)
    values.withUnsafeBytes { backend.upload($0, into: self) }
  }

  /// A tensor whose elements all have one value.
  public init(repeating value: Float, _ shape: Shape, dtype: DType = .float32, on backend: any Backend) {
    self.init(empty: shape, dtype: dtype, on: backend)
    backend.fill(value, into: self)
  }

  /// Copies the elements to the host, waiting for the device.
  public func array<E: Element>(_: E.Type = E.self, file: StaticString = #fileID, line: UInt = #line) -> [E] {
    require(E.dtype == dtype, "array: the tensor holds \(dtype), not \(E.dtype)", file: file, line: line)
    return [E](unsafeUninitializedCapacity: count) { buffer, initialized in
      backend.download(self, into: UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// The elements in single precision on the host, whatever type the tensor has.
  public func floats() -> [Float] {
    if dtype == .float32 { return array() }
    var bytes = [UInt8](repeating: 0, count: byteCount)
    return bytes.withUnsafeMutableBytes { bytes in
      backend.download(self, into: bytes)
      return dtype.floats(UnsafeRawBufferPointer(bytes))
    }
  }

  /// The only element of a tensor of one Float32, waiting for the device.
  public var scalar: Float {
    require(count == 1, "scalar: the tensor has shape \(shape)")
    return array(Float.self)[0]
  }

  /// Overwrites the elements with an array of the same count and type, in place.
  public func assign<E: Element>(_ values: [E], file: StaticString = #fileID, line: UInt = #line) {
    require(
      E.dtype == dtype && values.count == count,
      "assign: \(values.count) values of \(E.dtype) do not fill \(shape) of \(dtype)", file: file, line: line)
    values.withUnsafeBytes { backend.upload($0, into: self) }
  }
}

extension DType {
  /// Elements of this type, side by side in memory, in single precision.
  func floats(_ bytes: UnsafeRawBufferPointer) -> [Float] {
    switch self {
    case .float32: Array(bytes.bindMemory(to: Float.self))
    case .float16: bytes.bindMemory(to: UInt16.self).map(Float.init(halfBits:))
    case .bfloat16: bytes.bindMemory(to: BFloat16.self).map(\.float)
    case .int32: bytes.bindMemory(to: Int32.self).map(Float.init)
    case .uint8: bytes.map(Float.init)
    }
  }
}
