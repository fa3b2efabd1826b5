/// Something that a model is built with besides what it has of its own, such as adapters for its layers.
///
/// Its parameters stand in the model's store and have a source of their own.
public protocol ModelAddition {
  /// Tells it from the others of a model, in the names of parameters and in their specifications.
  var name: String { get }
  /// Whether it is trained.
  var isTrained: Bool { get }
  /// Where the numbers of its parameters come from.
  var source: any ParameterSource { get }
}

/// Where the numbers of a model and of its additions come from; each source sees what is its own.
struct ParameterSources: ParameterSource {
  private let model: any ParameterSource
  private let additions: [any ModelAddition]

  init(_ model: any ParameterSource, _ additions: [any ModelAddition]) {
    require(Set(additions.map(\.name)).count == additions.count, "ModelAddition: two have the same name")
    self.model = model
    self.additions = additions
  }

  func check(_ specifications: [ParameterSpecification]) throws {
    try model.check(specifications.filter { $0.addition == nil })
    for one in additions { try one.source.check(specifications.filter { $0.addition == one.name }) }
  }

  func fill(_ parameter: Parameter) throws {
    let addition = parameter.specification.addition
    try (additions.first { $0.name == addition }?.source ?? model).fill(parameter)
  }
}
