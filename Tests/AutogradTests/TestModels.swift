import Autograd

/// Parameters with given numbers, by name.
struct GivenNumbers: ParameterSource {
  private let numbers: [String: [Float]]

  init(_ numbers: [String: [Float]]) {
    self.numbers = numbers
  }

  func check(_ specifications: [ParameterSpecification]) {
    require(Set(specifications.map(\.name)) == Set(numbers.keys), "GivenNumbers: other parameters were asked for")
  }

  func fill(_ parameter: Parameter) {
    parameter.assign(numbers[parameter.name] ?? [])
  }
}

/// A small network with every kind of operation that a UNet block has: a residual block and self-attention.
struct SmallBlock: Sendable {
  private let norm: GroupNorm
  private let convolution: Convolution
  private let queries: Linear
  private let gate: Linear
  private let output: Linear

  init(_ scope: Scope) throws {
    norm = try GroupNorm(scope["norm"], 8, groups: 2, epsilon: 1e-5)
    convolution = try Convolution(scope["convolution"], 8, 8)
    queries = try Linear(scope["queries"], 8, 8)
    gate = try Linear(scope["gate"], 8, 16)
    output = try Linear(scope["output"], 8, 8)
  }

  /// [batch, height, width, 8] → the same.
  func callAsFunction(_ x: Variable) -> Variable {
    let h = x + convolution(norm(x, silu: true))
    let tokens = h.reshaped([x.shape[0], x.shape[1] * x.shape[2], 2, 4])
    let attended = queries(h).reshaped(tokens.shape).attention(keys: tokens, values: tokens, Attention(scale: 0.5))
    return h + output(gate(attended.reshaped(x.shape)).geglu())
  }

  /// Two blocks with random parameters.
  static func pair(
    on backend: any Backend, trainable: @escaping (String) -> Bool = { _ in true },
    gradients: ParameterStore.GradientKeeping = .arena
  ) throws -> (model: [SmallBlock], parameters: ParameterStore) {
    try ParameterStore.build(
      on: backend, trainable: trainable, gradients: gradients, from: InitialParameters(seed: 3)
    ) { scope in
      [try SmallBlock(scope[0]), try SmallBlock(scope[1])]
    }
  }

  /// A random picture [2, 4, 3, 8].
  static func input(on backend: any Backend) -> Tensor {
    Tensor.normal([2, 4, 3, 8], RandomStream(seed: 5, stream: 0), draw: Tensor([0 as Int32], [], on: backend))
  }
}

extension Tensor {
  /// The elements' bits.
  var bits: [UInt32] { array(Float.self).map(\.bitPattern) }
}
