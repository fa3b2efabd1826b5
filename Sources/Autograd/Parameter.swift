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
  /// The numbers, in the device's layout.
  public let value: Tensor
  /// Where derivatives add up, or `nil` for a frozen parameter.
  public let gradient: Tensor?
  /// The parameter as operations see it.
  public let variable: Variable

  init(_ specification: ParameterSpecification, value: Tensor, gradient: Tensor?) {
    self.specification = specification
    self.value = value
    self.gradient = gradient
    variable = Variable(value, node: gradient.map { Node(value, inputs: [], pull: nil, parameterGradient: $0) })
  }

  /// diffusers' key of the parameter.
  public var name: String { specification.name }

  /// Whether the parameter is trained.
  public var isTrainable: Bool { gradient != nil }

  /// Replaces the numbers by those given in PyTorch's order.
  public func assign(_ values: [Float]) {
    ParameterLayout.write(values, specification, into: value)
  }
}

/// The one place that turns PyTorch's order of numbers into a device's order and back.
enum ParameterLayout {
  /// Writes numbers in PyTorch's order to a tensor in the device's order.
  static func write(_ values: [Float], _ specification: ParameterSpecification, into stored: Tensor) {
    require(
      values.count == specification.shape.count,
      "\(specification.name): \(values.count) values do not fill \(specification.shape)")
    switch specification.kind {
    case .plain: stored.assign(values)
    case .convolution:
      let backend = stored.backend
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
