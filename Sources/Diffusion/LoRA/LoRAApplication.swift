extension LoRA {
  /// The adapters of a network, for a model that is about to be built.
  ///
  /// Building it throws `LoRAError` where the network lacks a layer or has it in other extents.
  ///
  /// - Parameters:
  ///   - name: tells them from other adapters of the same model.
  ///   - scale: a factor on all additions.
  ///   - isTrained: whether they get gradients.
  ///   - dropout: what their input goes through while they are trained.
  public func adapters(
    for part: ModelPart, named name: String, scale: Float = 1, isTrained: Bool = false, dropout: Dropout? = nil
  ) -> LowRankAdapters {
    let layers = Dictionary(uniqueKeysWithValues: layers.filter { $0.part == part }.map { ($0.name, $0) })
    return LowRankAdapters(
      name: name, isTrained: isTrained, dropout: dropout, from: LoRASource(layers, name: name, origin: origin)
    ) { path in
      layers[path].map { LowRankAdapters.Form(rank: $0.rank, scale: scale * $0.scale) }
    }
  }
}

/// The numbers of adapters from a LoRA.
private struct LoRASource: ParameterSource {
  private let layers: [String: LoRA.Layer]
  private let origin: String
  /// The factors by the names of the parameters that they become.
  private let factors: [String: LoRA.Matrix]

  init(_ layers: [String: LoRA.Layer], name: String, origin: String) {
    self.layers = layers
    self.origin = origin
    let factors = layers.values.flatMap {
      [(LowRankAdapters.down($0.name, name), $0.down), (LowRankAdapters.up($0.name, name), $0.up)]
    }
    self.factors = Dictionary(uniqueKeysWithValues: factors)
  }

  func check(_ specifications: [ParameterSpecification]) throws {
    let unused = Set(factors.keys).subtracting(specifications.map(\.name))
    guard unused.isEmpty else {
      let unknown = layers.keys.filter { layer in unused.contains { $0.hasPrefix("\(layer).lora_") } }
      throw LoRAError.unknownLayers(lora: origin, layers: unknown.sorted())
    }
    for specification in specifications {
      let found = factors[specification.name]!.shape
      guard found.isMatrix(like: specification.shape) else {
        throw LoRAError.wrongShape(
          lora: origin, layer: specification.name, found: found, expected: specification.shape)
      }
    }
  }

  func fill(_ parameter: Parameter) { parameter.assign(factors[parameter.name]!.numbers) }
}

extension Shape {
  /// Whether two shapes differ at most in that one has the extents of a convolution of single pixels.
  func isMatrix(like other: Shape) -> Bool {
    func trimmed(_ shape: Shape) -> [Int] {
      shape.rank == 4 && shape.dimensions.suffix(2) == [1, 1] ? Array(shape.dimensions.prefix(2)) : shape.dimensions
    }
    return trimmed(self) == trimmed(other)
  }
}

extension [ScaledLoRA] {
  /// The adapters of a network, numbered in order.
  func adapters(for part: ModelPart) -> [LowRankAdapters] {
    enumerated().map { index, one in one.lora.adapters(for: part, named: "\(index)", scale: one.scale) }
  }
}

extension ParameterSpecification {
  /// Whether this is the weight of a layer that can have an adapter: a matrix or a convolution.
  package var canBeAdapted: Bool {
    addition == nil && name.hasSuffix(".weight") && !name.hasSuffix("_embedding.weight")
      && (shape.rank == 2 || shape.rank == 4)
  }
}
