/// A convolution with the kernels that carry it out.
final class DNNConvolutionPlan: Sendable {
  /// The working memory that an execution needs, in bytes.
  let workspaceByteCount: Int
  /// The engine and the settings of its knobs, by cuDNN's numbers.
  let engine: String
  private let plan: DNNDescriptor

  /// Builds the kernels of an engine configuration.
  ///
  /// - Throws: `CUDALibraryError.failed` where the engine does not support the card or the extents after all.
  private init(_ configuration: DNNDescriptor, _ handle: DNNHandle) throws(CUDALibraryError) {
    plan = try DNNDescriptor(
      handle.library, .executionPlan,
      [.planHandle: .handle(handle.pointer), .planConfiguration: .descriptors([configuration])])
    workspaceByteCount = try plan.integer(.planWorkspaceSize)
    engine = try Self.describe(configuration)
  }

  /// Enqueues the convolution.
  ///
  /// - Parameters:
  ///   - operands: the addresses of all tensors of the graph that are in memory.
  ///   - workspace: the address of `workspaceByteCount` bytes.
  ///   - handle: the handle that the plan was made for.
  func execute(
    _ operands: [DNNConvolution.Operand: UInt], workspace: UInt, on handle: DNNHandle
  ) throws(CUDALibraryError) {
    let pack = try DNNDescriptor(
      handle.library, .variantPack,
      [
        .packIdentifiers: .integers(operands.keys.map(\.rawValue)),
        .packPointers: .pointers(Array(operands.values)),
        .packWorkspace: .pointers([workspace]),
      ])
    try handle.execute(plan, pack)
  }
}

// MARK: - The choice of an engine

extension DNNConvolutionPlan {
  /// More working memory than this is not worth any speed.
  static let workspaceLimit = 1 << 30

  /// The plan that cuDNN's model of speed likes best among those that keep our promises on numbers.
  ///
  /// Nothing is timed, so that every process chooses alike.
  static func best(for convolution: DNNConvolution, _ handle: DNNHandle) throws(CUDALibraryError) -> DNNConvolutionPlan
  {
    guard let plan = try plans(for: convolution, handle, limit: 1).first else {
      throw .failed(call: "planning the \(convolution)", reason: "cuDNN has no engine for it")
    }
    return plan
  }

  /// Up to `limit` plans that keep our promises, those expected to be fast first.
  static func plans(
    for convolution: DNNConvolution, _ handle: DNNHandle, limit: Int = .max
  ) throws(CUDALibraryError) -> [DNNConvolutionPlan] {
    let graph = try convolution.graph(handle)
    var plans: [DNNConvolutionPlan] = []
    for mode in [DNNHeuristicMode.bySpeed, .fallback] {
      let heuristic = try DNNDescriptor(
        handle.library, .engineHeuristic,
        [.heuristicGraph: .descriptors([graph]), .heuristicMode: .heuristicMode(mode)])
      for configuration in try heuristic.descriptors(.heuristicResults, of: .engineConfiguration) {
        guard plans.count < limit else { return plans }
        guard try engine(of: configuration).numericalNotes().isDisjoint(with: convolution.unwantedNotes) else {
          continue
        }
        // A suggestion that cannot be built on this card is no error: the next one is taken.
        guard let plan = try? DNNConvolutionPlan(configuration, handle), plan.workspaceByteCount <= workspaceLimit
        else { continue }
        plans.append(plan)
      }
    }
    return plans
  }

  private static func engine(of configuration: DNNDescriptor) throws(CUDALibraryError) -> DNNDescriptor {
    guard let engine = try configuration.descriptors(.configurationEngine, of: .engine, capacity: 1).first else {
      throw .failed(call: "asking cuDNN for an engine", reason: "the configuration has none")
    }
    return engine
  }

  private static func describe(_ configuration: DNNDescriptor) throws(CUDALibraryError) -> String {
    var text = "engine \(try engine(of: configuration).integer(.engineIndex))"
    for knob in try configuration.descriptors(.configurationKnobs, of: .knobChoice, capacity: 64) {
      text += ", \(try knob.knobType()) = \(try knob.integer(.knobValue))"
    }
    return text
  }
}

extension DNNConvolution {
  /// What an engine may not do. Two runs must give the same bytes, and sums are formed in Float32 and rounded once.
  ///
  /// Winograd's method and Fourier transforms lose digits by subtraction. Tensor cores would read Float32 as TF32,
  /// which has the precision of half.
  fileprivate var unwantedNotes: Set<DNNNumericalNote> {
    let always: Set<DNNNumericalNote> = [
      .nondeterministic, .downConvertsInputs, .reducedPrecisionReduction, .fourier, .winograd, .winograd4x4,
      .winograd6x6, .winograd13x13,
    ]
    return dtype == .float32 ? always.union([.tensorCore]) : always
  }
}
