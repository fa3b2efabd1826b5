/// Random numbers from each parameter's initial distribution.
///
/// A parameter's numbers depend on the seed and its place in the model only.
public final class InitialParameters: ParameterSource {
  private let stream: RandomStream
  private var index: Int32 = 0

  /// Numbers of one seed.
  public init(seed: UInt64) {
    stream = RandomStream(seed: seed, stream: Self.streamNumber)
  }

  /// The stream of a seed that initial parameters are drawn from.
  private static let streamNumber: UInt32 = 0x696e_6974  // "init"

  /// Draws the numbers of the next parameter.
  public func fill(_ parameter: Parameter) {
    let backend = parameter.value.backend
    let draw = Tensor([index], [], on: backend)
    index += 1
    let shape = parameter.specification.shape
    let numbers: Tensor
    switch parameter.specification.initial {
    case .constant(let value): numbers = Tensor(repeating: value, shape, on: backend)
    case .uniform(let bound):
      numbers = Tensor.uniform(shape, stream, draw: draw).affine(scale: 2 * bound, shift: -bound)
    case .normal(let deviation): numbers = Tensor.normal(shape, stream, draw: draw) * deviation
    }
    parameter.assign(numbers.array())
  }

  /// Every parameter states its distribution, so nothing can be missing.
  public func check(_ specifications: [ParameterSpecification]) {}
}

/// Leaves parameters undefined, for planning memory on a backend that computes nothing.
public struct UndefinedParameters: ParameterSource {
  /// A source of nothing.
  public init() {}

  /// Leaves the parameter as it is.
  public func fill(_ parameter: Parameter) {}

  /// There is nothing that could be missing.
  public func check(_ specifications: [ParameterSpecification]) {}
}
