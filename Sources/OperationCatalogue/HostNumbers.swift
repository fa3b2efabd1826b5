import Tensor

extension Tensor {
  /// A tensor of any type from numbers, rounded to what the type can hold.
  public init(numbers: [Double], _ shape: Shape, _ dtype: DType, on backend: any Backend) {
    switch dtype {
    case .float32: self.init(numbers.map { Float($0) }, shape, on: backend)
    case .float16: self.init(numbers.map { Float16($0) }, shape, on: backend)
    case .bfloat16: self.init(numbers.map { BFloat16(Float(dtype.rounded($0))) }, shape, on: backend)
    case .int32: self.init(numbers.map { Int32($0) }, shape, on: backend)
    case .uint8: self.init(numbers.map { UInt8($0) }, shape, on: backend)
    }
  }

  /// The elements as numbers; exact for every type.
  public func numbers() -> [Double] {
    dtype == .int32 ? array(Int32.self).map(Double.init) : floats().map(Double.init)
  }
}

extension Values {
  /// The values themselves, without their errors.
  public var numbers: [Double] { elements.map(\.value) }

  /// Exact numbers under a shape.
  public init(_ shape: Shape, numbers: [Double]) {
    self.init(shape, numbers.map { Bounded($0) })
  }

  /// The same numbers in a backend's own order of convolution weights.
  public func stored(_ layout: ConvolutionLayout) -> Values { transposed(layout.permutation) }

  /// Convolution weights in a backend's order, put back into PyTorch's.
  public func unstored(_ layout: ConvolutionLayout) -> Values {
    let permutation = layout.permutation
    return transposed(permutation.indices.map { axis in permutation.firstIndex(of: axis) ?? axis })
  }

  /// The values in single precision.
  public var floats: [Float] { elements.map { Float($0.value) } }
}
