/// How a parameter is laid out in files and on a device.
public enum ParameterKind: Sendable, Hashable {
  /// The same order everywhere.
  case plain
  /// [out, in, height, width] in files, the backend's `convolutionLayout` on a device.
  case convolution
}

/// The distribution a parameter starts from when a model is made from nothing.
public enum InitialDistribution: Sendable, Hashable {
  case constant(Float)
  /// Uniform in ±bound.
  case uniform(bound: Float)
  /// Normal with mean 0.
  case normal(standardDeviation: Float)

  /// What PyTorch gives linear and convolution layers of `fanIn` inputs, weights and biases alike: ±1/√fanIn.
  public static func fanIn(_ fanIn: Int) -> InitialDistribution { .uniform(bound: 1 / Float(fanIn).squareRoot()) }
}

/// What a model says about one of its parameters.
public struct ParameterSpecification: Sendable, Hashable {
  /// diffusers' key, such as `down_blocks.0.resnets.0.conv1.weight`.
  public let name: String
  /// The extents in PyTorch's order.
  public let shape: Shape
  /// How it is laid out.
  public let kind: ParameterKind
  /// What it starts from.
  public let initial: InitialDistribution
  /// The name of the addition that it belongs to; `nil` for what the model has of its own.
  public var addition: String?

  /// The extents as stored on a device.
  public func storedShape(_ layout: ConvolutionLayout) -> Shape {
    switch kind {
    case .plain: shape
    case .convolution: Shape(layout.permutation.map { shape[$0] })
    }
  }
}

/// A named tensor of a model, trainable or frozen.
public final class Parameter: Sendable {
  /// The name, the extents in PyTorch's order and the layout.
  public let specification: ParameterSpecification
  /// The numbers, in the device's layout. Those of a trainable parameter are Float32 whatever type is computed in, so
  /// that steps smaller than that type's spacing add up (Micikevicius et al., 2018), unless they are rounded at random.
  public let value: Tensor
  /// The parameter as operations see it, in the type that they compute in.
  public let variable: Variable

  /// - Parameters:
  ///   - shadow: room for a copy of a trainable parameter in the type that is computed in, if that is not Float32.
  ///   - gradient: where derivatives add up; `nil` for a frozen parameter.
  init(_ specification: ParameterSpecification, value: Tensor, shadow: Tensor? = nil, gradient: GradientPlace? = nil) {
    self.specification = specification
    self.value = value
    let seen = shadow ?? value
    variable = Variable(seen, node: gradient.map { Node(seen, inputs: [], pull: nil, place: $0) })
  }

  /// diffusers' key of the parameter.
  public var name: String { specification.name }

  /// Whether the parameter is trained.
  public var isTrainable: Bool { variable.isDifferentiable }

  /// The bytes on the device, a copy in the type that is computed in included.
  var byteCount: Int {
    let seen = variable.value
    return value.byteCount + (seen.dtype == value.dtype ? 0 : seen.byteCount)
  }

  /// The sum of the derivatives that have arrived, or `nil` for a frozen parameter.
  ///
  /// It has the type that is computed in: the products behind each number add up in Float32 and are rounded once.
  public var gradient: Tensor? { variable.gradient }

  /// Replaces the numbers by those given in PyTorch's order.
  ///
  /// This and the optimiser are the only ways to change a parameter, so that what operations see follows its numbers.
  public func assign(_ values: [Float]) {
    ParameterLayout.write(values, specification, into: value)
    let seen = variable.value
    if seen.dtype != value.dtype { value.backend.cast(value, into: .overwrite(seen)) }
  }
}

/// The one place that turns PyTorch's order of numbers into a device's order and back.
enum ParameterLayout {
  /// Writes numbers in PyTorch's order to a tensor of any floating-point type in the device's order.
  static func write(_ values: [Float], _ specification: ParameterSpecification, into stored: Tensor) {
    require(
      values.count == specification.shape.count,
      "\(specification.name): \(values.count) values do not fill \(specification.shape)")
    let backend = stored.backend
    guard stored.dtype == .float32 else {
      let exact = stored.emptyLike(dtype: .float32)
      write(values, specification, into: exact)
      return backend.cast(exact, into: .overwrite(stored))
    }
    switch specification.kind {
    case .plain: stored.assign(values)
    case .convolution:
      let pytorch = Tensor(values, specification.shape, on: backend)
      backend.transpose(pytorch, backend.convolutionLayout.permutation, into: .overwrite(stored))
    }
  }

  /// The numbers of a tensor in the device's order, in PyTorch's order.
  static func pytorch(_ stored: Tensor, _ specification: ParameterSpecification) -> Tensor {
    switch specification.kind {
    case .plain: return stored
    case .convolution:
      let permutation = stored.backend.convolutionLayout.permutation
      return stored.transposed(permutation.indices.map { permutation.firstIndex(of: $0)! })
    }
  }
}
