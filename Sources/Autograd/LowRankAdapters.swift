/// Low-rank adapters for some layers of a model (LoRA; Hu et al., 2022).
///
/// A layer whose weight is W computes with W + scale · B A instead, where A has `rank` rows and B as many columns. W is
/// left as it is: of A and B alone there are gradients. A convolution's A is a convolution of the same kernel, stride and
/// padding, and its B one of single pixels (LoCon).
public struct LowRankAdapters: ModelAddition {
  /// What one layer gets.
  public struct Form: Sendable, Hashable {
    /// The number of rows of A and of columns of B.
    public var rank: Int
    /// The factor on their product.
    public var scale: Float

    /// A form of the given rank and scale.
    public init(rank: Int, scale: Float) {
      self.rank = rank
      self.scale = scale
    }
  }

  /// What tells these adapters from others in the names of parameters: `<layer>.lora_A.<name>.weight`, as in PEFT.
  public let name: String
  /// Whether they are trained.
  public let isTrained: Bool
  /// Where the numbers of A and B come from.
  public let source: any ParameterSource
  let dropout: Dropout?
  let form: (_ layer: String) -> Form?

  /// Adapters for a model that is about to be built.
  ///
  /// - Parameters:
  ///   - isTrained: whether they get gradients.
  ///   - dropout: what their input goes through while they are trained.
  ///   - source: where the numbers of A and B come from.
  ///   - form: what a layer gets, by its path in the model; `nil` for a layer that is left alone.
  public init(
    name: String, isTrained: Bool, dropout: Dropout? = nil, from source: any ParameterSource,
    _ form: @escaping (_ layer: String) -> Form?
  ) {
    self.name = name
    self.isTrained = isTrained
    self.dropout = dropout
    self.source = source
    self.form = form
  }

  /// The name of a layer's A, [rank, in...].
  public static func down(_ layer: String, _ name: String) -> String { "\(layer).lora_A.\(name).weight" }

  /// The name of a layer's B, [out, rank...].
  public static func up(_ layer: String, _ name: String) -> String { "\(layer).lora_B.\(name).weight" }
}

/// The adapter of one layer.
struct LowRankAdapter: Sendable {
  private let down, up: Parameter
  private let scale: Float
  private let dropout: Dropout?

  /// PEFT's start: A as any layer starts, B at zero, so that nothing is added yet.
  fileprivate init(
    _ scope: Scope, _ adapters: LowRankAdapters, _ form: LowRankAdapters.Form, _ weight: ParameterSpecification
  ) throws {
    require(form.rank > 0, "LowRankAdapter: \(scope.path) cannot have the rank \(form.rank)")
    let (output, input) = (weight.shape[0], weight.shape.dimensions.dropFirst())
    down = try scope["lora_A"][adapters.name].parameter(
      "weight", Shape([form.rank] + input), weight.kind, initial: .fanIn(input.reduce(1, *)), addition: adapters.name)
    up = try scope["lora_B"][adapters.name].parameter(
      "weight", Shape([output, form.rank] + input.dropFirst().map { _ in 1 }), weight.kind, initial: .constant(0),
      addition: adapters.name)
    scale = form.scale
    dropout = adapters.dropout?.independent(for: scope.path)
  }

  /// What is added to x Wᵀ: [..., in] → [..., out].
  func linear(_ x: Variable) -> Variable {
    // The scale goes to the narrowest of the three.
    (dropped(x).linear(down.variable, bias: nil) * scale).linear(up.variable, bias: nil)
  }

  /// What is added to a convolution: [batch, height, width, in] → [batch, height', width', out].
  func convolution(_ x: Variable, _ spec: Convolution2D) -> Variable {
    let narrow = dropped(x).convolution(down.variable, bias: nil, spec) * scale
    return narrow.convolution(up.variable, bias: nil, Convolution2D(stride: 1, padding: .all(0)))
  }

  private func dropped(_ x: Variable) -> Variable { dropout?(x) ?? x }
}

extension Scope {
  /// The adapters of the layer that this is the scope of.
  func adapters(of weight: Parameter) throws -> [LowRankAdapter] {
    try additions.compactMap { addition in
      guard let adapters = addition as? LowRankAdapters else { return nil }
      return try adapters.form(path).map { try LowRankAdapter(self, adapters, $0, weight.specification) }
    }
  }
}
