/// How the weights of several models become those of one.
public enum MergeRule: Sendable, Equatable {
  /// Each model's weights times its factor, added up.
  case weightedSum(factors: [Float])
  /// The first model's weights, and what the second has more than the third, times a factor.
  case addDifference(factor: Float)

  /// How many models are merged.
  public var modelCount: Int {
    switch self {
    case .weightedSum(let factors): factors.count
    case .addDifference: 3
    }
  }
}

/// Models of one shape that are merged while they are written.
struct ModelMerge: Sendable {
  let models: [ModelFolder]
  let rule: MergeRule

  /// The merged tensors of a part, in the types of the first model.
  ///
  /// - Throws: why a model cannot be read.
  func tensors(of part: ModelPart) throws -> [TensorItem] {
    let stored = try models.map { try $0.tensors(of: part) }
    return stored[0].indices.map { index in merged(stored.map { $0[index] }) }
  }

  /// One tensor of several models.
  ///
  /// Input channels that only the first model has, those of inpainting's mask and picture, stay as they are.
  private func merged(_ tensors: [TensorItem]) -> TensorItem {
    let first = tensors[0]
    return TensorItem(first.name, first.shape, DType(first.dtype) ?? .float32) {
      let device = CPUBackend()
      var values = try tensors.map { Tensor(try $0.floats(), $0.shape, on: device) }
      guard first.shape != tensors[1].shape else { return joined(values) }
      let (whole, common) = (values[0], tensors[1].shape[1])
      values[0] = whole.sliced(1, 0..<common)
      return .concatenated([joined(values), whole.sliced(1, common..<first.shape[1])], axis: 1)
    }
  }

  private func joined(_ values: [Tensor]) -> Tensor {
    switch rule {
    case .weightedSum(let factors):
      zip(values, factors).dropFirst().reduce(values[0] * factors[0]) { $0 + $1.0 * $1.1 }
    case .addDifference(let factor): values[0] + (values[1] - values[2]) * factor
    }
  }
}

extension ModelFolder {
  /// The model that several of one shape are merged to; everything but the weights is the first one's.
  ///
  /// A first model that paints into pictures takes others that do not: they have no say about its mask.
  ///
  /// - Throws: `MergeError` where the models do not have the same parameters.
  public static func merging(_ models: [ModelFolder], by rule: MergeRule) throws -> ModelFolder {
    require(models.count == rule.modelCount, "merging: the rule takes \(rule.modelCount) models, not \(models.count)")
    let first = models[0]
    for other in models.dropFirst() {
      for part in ModelPart.allCases {
        var mine = try first.parameterShapes(of: part)
        let theirs = try other.parameterShapes(of: part)
        if part == .unet, try first.hasMask, try models.dropFirst().allSatisfy({ try !$0.hasMask }) {
          mine[Self.inputWeight] = theirs[Self.inputWeight]
        }
        let differing = mine.filter { theirs[$0.key] != $0.value }.keys + theirs.keys.filter { mine[$0] == nil }
        guard differing.isEmpty else {
          throw MergeError(
            first: first.url.path(percentEncoded: false), second: other.url.path(percentEncoded: false), part: part,
            parameter: differing.min() ?? "")
        }
      }
    }
    return try ModelFolder(
      first.url, documents: first.documents, contents: .merged(ModelMerge(models: models, rule: rule)),
      use: .conversion)
  }

  /// The weight that takes in latents and, in models that paint into pictures, a mask and the picture beside it.
  private static let inputWeight = "conv_in.weight"

  /// Whether the UNet takes in a mask and a picture: nine channels instead of four.
  private var hasMask: Bool {
    get throws { try parameterShapes(of: .unet)[Self.inputWeight]?[1] == 9 }
  }

  /// The extents of a part's parameters by their names.
  private func parameterShapes(of part: ModelPart) throws -> [String: Shape] {
    Dictionary(uniqueKeysWithValues: try specifications(of: part).map { ($0.name, $0.shape) })
  }
}

/// Models that cannot be merged, since they are of different shapes.
public struct MergeError: Error, Equatable, CustomStringConvertible {
  /// The first model.
  public let first: String
  /// The model that differs from it.
  public let second: String
  /// The part that differs.
  public let part: ModelPart
  /// The first parameter that differs.
  public let parameter: String

  /// The models and where they differ.
  public var description: String {
    "\(first) and \(second) are of different shapes (\(parameter) of the \(part.rawValue)); only models of the same kind "
      + "can be merged"
  }
}
