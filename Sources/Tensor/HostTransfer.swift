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
  public init(repeating value: Float, _ shape: Shape, on backend: any Backend) {
    self.init(empty: shape, on: backend)
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

  /// The elements in single precision on the host, whatever floating-point type the tensor has.
  public func floats() -> [Float] {
    switch dtype {
    case .float32: return array()
    case .float16: return array(Float16.self).map(Float.init)
    case .bfloat16: return array(BFloat16.self).map(\.float)
    case .int32: return array(Int32.self).map(Float.init)
    case .uint8: return array(UInt8.self).map(Float.init)
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
