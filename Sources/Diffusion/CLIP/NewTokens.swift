/// Vectors for tokens that a text encoder does not have of its own.
public struct NewTokens: ModelAddition {
  /// The name of the addition. There is one to a model, for all new tokens together.
  public static let name = "new_tokens"
  /// The same.
  public var name: String { NewTokens.name }
  /// Whether the vectors are trained.
  public let isTrained: Bool
  /// Where the vectors come from.
  public let source: any ParameterSource
  /// The id of each vector's token.
  let ids: [Int]

  /// Vectors for the tokens of the given ids, in that order.
  ///
  /// - Parameter source: gives one parameter [tokens, width] its numbers.
  public init(ids: [Int], isTrained: Bool, from source: any ParameterSource) {
    self.ids = ids
    self.isTrained = isTrained
    self.source = source
  }

  /// Vectors that are at hand, side by side.
  public init(ids: [Int], isTrained: Bool, vectors: [Float]) {
    self.init(ids: ids, isTrained: isTrained, from: GivenVectors(numbers: vectors))
  }

  private struct GivenVectors: ParameterSource {
    let numbers: [Float]

    func check(_ specifications: [ParameterSpecification]) {
      require(
        specifications.map(\.shape.count) == [numbers.count], "NewTokens: the vectors do not fill \(specifications)")
    }

    func fill(_ parameter: Parameter) { parameter.assign(numbers) }
  }
}

/// Prompts as a text encoder takes them.
public struct EncodedPrompts: Sendable {
  /// Int32 rows of the encoder's own table, [batch, tokens].
  let ids: Tensor
  /// Where each vector is found when the vectors of `ids` and those of the new tokens stand one after the other, Int32,
  /// [batch, tokens]; `nil` where there are no new tokens.
  let places: Tensor?

  /// Prompts without new tokens.
  ///
  /// - Parameter ids: Int32, [batch, tokens].
  public init(_ ids: Tensor) {
    self.ids = ids
    places = nil
  }

  /// Prompts that may hold new tokens.
  ///
  /// - Parameters:
  ///   - prompts: ids, all prompts of the same length.
  ///   - rows: the row of each new token's vector, by its id.
  init(_ prompts: [[Int32]], newTokens rows: [Int32: Int], on backend: any Backend) {
    let shape: Shape = [prompts.count, prompts[0].count]
    let flat = prompts.flatMap { $0 }
    // A row that is there, though nothing is made of it.
    ids = Tensor(flat.map { rows[$0] == nil ? $0 : 0 }, shape, on: backend)
    let found = flat.enumerated().map { place, id in Int32(rows[id].map { flat.count + $0 } ?? place) }
    places = rows.isEmpty ? nil : Tensor(found, shape, on: backend)
  }
}
