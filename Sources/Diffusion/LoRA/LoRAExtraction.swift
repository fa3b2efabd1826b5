import Foundation

extension LoRA {
  /// The largest part of what distinguishes a model from the one that it was trained from.
  public struct Extraction: Sendable {
    /// How much of a model's difference a LoRA is to hold.
    public struct Options: Sendable, Hashable {
      /// The rank for matrices and convolutions of single pixels.
      public var rank = 32
      /// The rank for larger convolutions, which are left out where there is none.
      public var convolutionRank: Int?
      /// The type that the factors are stored as.
      public var dtype = DType.float32

      /// Rank 32, matrices alone.
      public init() {}
    }

    /// The additions.
    public let lora: LoRA
    /// The share of the squared difference of the two models' weights that it holds, 0...1.
    public let share: Double
    /// The parameters that differ but are not in it: norms, biases, embeddings, and convolutions without a rank.
    public let leftOut: [String]
  }

  /// Finds the low-rank additions that come nearest to the difference of two models of the same shape.
  ///
  /// - Parameters:
  ///   - progress: is told how many of how many weights are done.
  /// - Throws: what is wrong with the folders, or `ModelFolderError` where they hold models of different shapes.
  public static func extraction(
    from tuned: ModelFolder, base: ModelFolder, _ options: Extraction.Options = Extraction.Options(),
    on backend: any Backend, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Extraction {
    let parts = [ModelPart.unet, .textEncoder]
    let weights = try parts.map { try ModelPair($0, tuned, base) }
    let total = weights.reduce(0) { $0 + $1.specifications.count }
    var (layers, leftOut): ([Layer], [String]) = ([], [])
    var (kept, all, done) = (0.0, 0.0, 0)
    for pair in weights {
      for specification in pair.specifications {
        done += 1
        progress(done, total)
        guard let difference = try pair.difference(specification, on: backend) else { continue }
        all += Double(difference.sumOfSquares().scalar)
        guard let (name, rank) = specification.layer(options) else {
          leftOut.append("\(pair.part.folder).\(specification.name)")
          continue
        }
        let layer = Layer(pair.part, name, difference, rank: rank, dtype: options.dtype)
        let rest = difference - layer.product(on: backend).reshaped(difference.shape)
        kept += Double(difference.sumOfSquares().scalar) - Double(rest.sumOfSquares().scalar)
        layers.append(layer)
      }
    }
    let origin = tuned.url.path(percentEncoded: false)
    return Extraction(lora: LoRA(layers, origin: origin), share: all > 0 ? kept / all : 1, leftOut: leftOut)
  }
}

/// The same part of two models.
private struct ModelPair {
  let part: ModelPart
  let specifications: [ParameterSpecification]
  private let tuned, base: StoredWeights

  init(_ part: ModelPart, _ tuned: ModelFolder, _ base: ModelFolder) throws {
    self.part = part
    specifications = try base.specifications(of: part)
    self.tuned = try tuned.storedWeights(of: part)
    self.base = try base.storedWeights(of: part)
    try self.tuned.check(specifications)
    try self.base.check(specifications)
  }

  /// The tuned model's numbers less the other's, in PyTorch's order; `nil` where they are the same.
  func difference(_ specification: ParameterSpecification, on backend: any Backend) throws -> Tensor? {
    let (one, other) = (try tuned.numbers(specification.name), try base.numbers(specification.name))
    guard one != other else { return nil }
    return Tensor(one, specification.shape, on: backend) - Tensor(other, specification.shape, on: backend)
  }
}

extension ParameterSpecification {
  /// The layer that this is the weight of and the rank that its addition gets; `nil` for what gets none.
  fileprivate func layer(_ options: LoRA.Extraction.Options) -> (name: String, rank: Int)? {
    guard canBeAdapted else { return nil }
    let isLarge = shape.rank == 4 && shape.dimensions.suffix(2) != [1, 1]
    return (isLarge ? options.convolutionRank : options.rank).map { (String(name.dropLast(".weight".count)), $0) }
  }
}

extension LoRA.Layer {
  /// The addition nearest to a difference of weights, at a scale of 1.
  fileprivate init(_ part: ModelPart, _ name: String, _ difference: Tensor, rank: Int, dtype: DType) {
    let (outputs, inputs) = (difference.shape[0], difference.shape.dimensions.dropFirst())
    let factors = difference.reshaped([outputs, difference.count / outputs]).lowRankFactors(rank: rank)
    let rank = factors.left.shape[1]
    func matrix(_ tensor: Tensor, _ dimensions: [Int]) -> LoRA.Matrix {
      LoRA.Matrix(tensor.cast(to: dtype).floats(), Shape(dimensions), dtype: dtype)
    }
    self.init(
      part, name, alpha: Float(rank), down: matrix(factors.right, [rank] + inputs),
      up: matrix(factors.left, [outputs, rank] + inputs.dropFirst().map { _ in 1 }))
  }
}
