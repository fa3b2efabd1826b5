/// A path into a model's parameters; `scope["conv1"]` steps into a layer, as `cd conv1` would.
public struct Scope {
  /// The device on which the parameters live, and with them whatever constants a model needs.
  public let backend: any Backend
  /// The floating-point type that the model computes in.
  public let computeType: DType
  /// The path itself; empty for the whole model.
  let path: String
  /// What the model is built with besides what it has of its own; a layer takes what is meant for it.
  public let additions: [any ModelAddition]
  private let make: (ParameterSpecification) throws -> Parameter

  init(
    on backend: any Backend, _ computeType: DType, path: String = "", additions: [any ModelAddition],
    _ make: @escaping (ParameterSpecification) throws -> Parameter
  ) {
    self.backend = backend
    self.computeType = computeType
    self.path = path
    self.additions = additions
    self.make = make
  }

  /// The scope of a named part.
  public subscript(_ name: String) -> Scope {
    Scope(on: backend, computeType, path: path.isEmpty ? name : "\(path).\(name)", additions: additions, make)
  }

  /// The scope of a numbered part.
  public subscript(_ index: Int) -> Scope { self[String(index)] }

  /// The parameter `name` of this part.
  ///
  /// - Parameters:
  ///   - shape: the extents in PyTorch's order.
  ///   - initial: the distribution it starts from when the model is made from nothing.
  ///   - addition: the name of the addition that it belongs to; `nil` for what the model has of its own.
  /// - Throws: when the source of the numbers lacks the parameter or holds another shape.
  public func parameter(
    _ name: String, _ shape: Shape, _ kind: ParameterKind = .plain, initial: InitialDistribution,
    addition: String? = nil
  ) throws -> Parameter {
    try make(
      ParameterSpecification(name: self[name].path, shape: shape, kind: kind, initial: initial, addition: addition))
  }
}
