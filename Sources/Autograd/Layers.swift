/// x Wᵀ + b.
public struct Linear: Sendable {
  private let weight: Parameter
  private let bias: Parameter?
  private let adapters: [LowRankAdapter]

  /// A layer with `weight` [output, input] and, unless left out, `bias` [output].
  ///
  /// - Parameter initial: what weight and bias start from; PyTorch's own distribution unless told otherwise.
  public init(
    _ scope: Scope, _ input: Int, _ output: Int, bias: Bool = true,
    initial: (weight: InitialDistribution, bias: InitialDistribution)? = nil
  ) throws {
    weight = try scope.parameter("weight", [output, input], initial: initial?.weight ?? .fanIn(input))
    self.bias = bias ? try scope.parameter("bias", [output], initial: initial?.bias ?? .fanIn(input)) : nil
    adapters = try scope.adapters(of: weight)
  }

  /// [..., input] → [..., output].
  public func callAsFunction(_ x: Variable) -> Variable {
    adapters.reduce(x.linear(weight.variable, bias: bias?.variable)) { $0 + $1.linear(x) }
  }
}

/// A two-dimensional convolution with bias.
public struct Convolution: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let spec: Convolution2D
  private let adapters: [LowRankAdapter]

  /// A layer with `weight` [output, input, kernel, kernel] and `bias` [output].
  ///
  /// - Parameter padding: `kernel / 2` on all sides unless told otherwise.
  public init(
    _ scope: Scope, _ input: Int, _ output: Int, kernel: Int = 3, stride: Int = 1,
    padding: Convolution2D.Padding? = nil
  ) throws {
    let fanIn = input * kernel * kernel
    weight = try scope.parameter(
      "weight", [output, input, kernel, kernel], .convolution, initial: .fanIn(fanIn))
    bias = try scope.parameter("bias", [output], initial: .fanIn(fanIn))
    spec = Convolution2D(stride: stride, padding: padding ?? .all(kernel / 2))
    adapters = try scope.adapters(of: weight)
  }

  /// [batch, height, width, input] → [batch, height', width', output].
  public func callAsFunction(_ x: Variable) -> Variable {
    adapters.reduce(x.convolution(weight.variable, bias: bias.variable, spec)) { $0 + $1.convolution(x, spec) }
  }
}

/// Group normalisation with a scale and a shift for each channel.
public struct GroupNorm: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let groups: Int
  private let epsilon: Float

  /// A layer with `weight` and `bias` [channels].
  public init(_ scope: Scope, _ channels: Int, groups: Int, epsilon: Float) throws {
    weight = try scope.parameter("weight", [channels], initial: .constant(1))
    bias = try scope.parameter("bias", [channels], initial: .constant(0))
    self.groups = groups
    self.epsilon = epsilon
  }

  /// [batch, height, width, channels], normalised and, if asked for, passed through SiLU.
  public func callAsFunction(_ x: Variable, silu: Bool = false) -> Variable {
    x.groupNorm(
      gamma: weight.variable, beta: bias.variable,
      GroupNormalization(groups: groups, epsilon: epsilon, silu: silu))
  }
}

/// Layer normalisation with a scale and a shift for each channel.
public struct LayerNorm: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let epsilon: Float

  /// A layer with `weight` and `bias` [channels].
  public init(_ scope: Scope, _ channels: Int, epsilon: Float = 1e-5) throws {
    weight = try scope.parameter("weight", [channels], initial: .constant(1))
    bias = try scope.parameter("bias", [channels], initial: .constant(0))
    self.epsilon = epsilon
  }

  /// [..., channels], normalised.
  public func callAsFunction(_ x: Variable) -> Variable {
    x.layerNorm(gamma: weight.variable, beta: bias.variable, epsilon: epsilon)
  }
}

/// A table of vectors.
public struct Embedding: Sendable {
  /// The table, [rows, width].
  public let weight: Parameter

  /// A layer with `weight` [rows, width].
  public init(_ scope: Scope, _ rows: Int, _ width: Int, initial: InitialDistribution = .normal(standardDeviation: 1))
    throws
  {
    weight = try scope.parameter("weight", [rows, width], initial: initial)
  }

  /// Int32 indices [...] → [..., width].
  public func callAsFunction(_ indices: Tensor) -> Variable { weight.variable.gathered(indices) }
}
