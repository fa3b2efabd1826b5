/// Where the numbers of a model come from: files, or an initial distribution.
public protocol ParameterSource {
  /// Called once with everything that the model asks for, before any memory is taken.
  ///
  /// - Throws: when the source lacks something or, being strict, holds more.
  func check(_ specifications: [ParameterSpecification]) throws
  /// Gives a parameter its numbers.
  func fill(_ parameter: Parameter) throws
}

/// The one ordered list of a model's parameters, and the flat arenas that hold them.
///
/// Trainable parameters stand side by side in one tensor, and so do their gradients: measuring their norm and stepping
/// the optimiser are one kernel each.
///
/// A model may compute in a half type. Its trainable parameters are Float32 all the same, and beside them stands a
/// rounded copy, which is what layers see; gradients and frozen parameters exist in the half type alone. To save memory
/// trainable parameters may exist in BFloat16 alone too, if the optimiser rounds them at random, and gradients may live
/// only until they are complete.
public final class ParameterStore {
  /// The device.
  public let backend: any Backend
  /// All parameters, in the order in which the model asked for them.
  public private(set) var parameters: [Parameter] = []
  /// The type that layers compute in.
  public let computeType: DType
  /// The trainable parameters side by side, in Float32 unless they exist in BFloat16 alone. Only `Parameter.assign` and the optimiser write to them.
  public let values: Tensor
  /// The same in the type that layers compute in, at the same offsets; `nil` where that is the type of `values`.
  public let shadow: Tensor?
  private let keptGradients: KeptGradients
  private let frozen: Tensor
  private let places: [String: ArenaPlan.Place]

  /// How long gradients are kept.
  public enum GradientKeeping: Sendable {
    /// All of them, side by side, until they are cleared.
    case arena
    /// Each until it is complete; then the optimiser takes it and its memory is given back.
    case untilComplete
  }

  private enum KeptGradients {
    case arena(GradientArena)
    case passing(PassingGradients)
  }

  private init(
    _ plan: ArenaPlan, _ computeType: DType, _ masterType: DType, _ keeping: GradientKeeping, on backend: any Backend
  ) {
    require(
      masterType == .float32 || masterType == computeType && masterType == .bfloat16,
      "ParameterStore: parameters cannot be kept in \(masterType) and computed with in \(computeType)")
    self.backend = backend
    self.computeType = computeType
    places = plan.places
    values = Tensor(repeating: 0, [plan.trainableCount], dtype: masterType, on: backend)
    shadow =
      computeType == masterType
      ? nil : Tensor(repeating: 0, [plan.trainableCount], dtype: computeType, on: backend)
    keptGradients =
      switch keeping {
      case .arena: .arena(GradientArena(count: plan.trainableCount, computeType, on: backend))
      case .untilComplete: .passing(PassingGradients(computeType, on: backend))
      }
    frozen = Tensor(empty: [plan.frozenCount], dtype: computeType, on: backend)
  }

  /// Builds a model and its parameters.
  ///
  /// `make` runs twice: once on a backend that computes nothing, to learn the sizes, and once for real.
  ///
  /// - Parameters:
  ///   - isTrainable: which parameters, by name, get gradients.
  ///   - computeType: the type that layers compute in, one of the device's `computeTypes`.
  ///   - masterType: the type of trainable parameters between steps: Float32, or BFloat16 where that is computed in.
  ///   - gradients: how long gradients are kept.
  ///   - additions: what the model gets besides, such as adapters for its layers.
  ///   - source: where the numbers of the model itself come from.
  ///   - make: builds the model under the scope it is given.
  /// - Throws: what `source`, the sources of the additions or `make` throw.
  public static func build<Model>(
    on backend: any Backend, trainable isTrainable: @escaping (String) -> Bool, computeType: DType = .float32,
    masterType: DType = .float32, gradients: GradientKeeping = .arena, additions: [any ModelAddition] = [],
    from source: any ParameterSource, _ make: (Scope) throws -> Model
  ) throws -> (model: Model, parameters: ParameterStore) {
    let sources = ParameterSources(source, additions)
    let plan = ArenaPlan(additions: additions) { specification in
      specification.addition.map { name in additions.contains { $0.name == name && $0.isTrained } }
        ?? isTrainable(specification.name)
    }
    _ = try make(plan.scope)
    try sources.check(plan.specifications)
    let store = ParameterStore(plan, computeType, masterType, gradients, on: backend)
    let model = try make(
      Scope(on: backend, computeType, additions: additions) { specification in
        let parameter = store.makeParameter(specification)
        try sources.fill(parameter)
        return parameter
      })
    return (model, store)
  }

  /// What a model asks for, in order, without any memory.
  public static func specifications<Model>(_ make: (Scope) throws -> Model) rethrows -> [ParameterSpecification] {
    let plan = ArenaPlan(additions: []) { _ in false }
    _ = try make(plan.scope)
    return plan.specifications
  }

  private func makeParameter(_ specification: ParameterSpecification) -> Parameter {
    guard let place = places[specification.name] else {
      fatalError("ParameterStore: \(specification.name) was not asked for when the model was planned")
    }
    let shape = specification.storedShape(backend.convolutionLayout)
    let parameter =
      place.isTrainable
      ? Parameter(
        specification, value: values.part(at: place.offset, shape), shadow: shadow?.part(at: place.offset, shape),
        gradient: gradientPlace(specification.name, at: place.offset, shape))
      : Parameter(specification, value: frozen.part(at: place.offset, shape))
    parameters.append(parameter)
    return parameter
  }

  private func gradientPlace(_ name: String, at offset: Int, _ shape: Shape) -> GradientPlace {
    switch keptGradients {
    case .arena(let arena): arena.place(at: offset, shape)
    case .passing(let passing): passing.place(name, at: offset, shape)
    }
  }

  private var arena: GradientArena {
    guard case .arena(let arena) = keptGradients else {
      fatalError("ParameterStore: gradients are not kept after they are complete")
    }
    return arena
  }

  /// The gradients that are kept until they are complete; `nil` where they stay.
  var passingGradients: PassingGradients? {
    guard case .passing(let passing) = keptGradients else { return nil }
    return passing
  }

  /// The trainable parameters, in order.
  public var trainable: [Parameter] { parameters.filter(\.isTrainable) }

  /// The number of numbers in all parameters.
  public var count: Int { parameters.reduce(0) { $0 + $1.specification.shape.count } }

  /// The bytes of all parameters on the device, copies in the type that is computed in included.
  public var byteCount: Int { parameters.reduce(0) { $0 + $1.byteCount } }

  /// The gradients of the trainable parameters at the offsets of `values`, in the type that layers compute in; what they
  /// are once cleared is not to be read from this tensor but asked for again.
  public var gradients: Tensor { arena.values() }

  /// The gradients of all batches since they were cleared, at the offsets of `values`.
  ///
  /// In Float32 if `addUpGradients` has been called since or if layers compute in it, otherwise as `gradients`.
  public var totalGradients: Tensor { arena.total() }

  /// Ends a batch that is not the only one of its step: its gradients join a sum in Float32, so that adding them loses
  /// nothing to a half type.
  ///
  /// Does nothing where layers compute in Float32, since gradients add up there as they are.
  public func addUpGradients() { arena.addUp() }

  /// Makes all gradients zero. Costs nothing: the next derivatives replace what is there.
  public func clearGradients() {
    switch keptGradients {
    case .arena(let arena): arena.clear()
    case .passing(let passing): passing.clear()
    }
  }

  /// A parameter's part of an arena laid out like `values`, in PyTorch's order.
  public func pytorch(_ parameter: Parameter, in arena: Tensor) -> Tensor {
    ParameterLayout.pytorch(part(parameter, of: arena), parameter.specification)
  }

  /// A parameter's numbers in PyTorch's order.
  public func pytorch(_ parameter: Parameter) -> Tensor {
    ParameterLayout.pytorch(parameter.value, parameter.specification)
  }

  /// Writes numbers in PyTorch's order to a parameter's part of an arena laid out like `values`, such as a moment's.
  ///
  /// The parameter itself is changed by its `assign`.
  public func write(_ numbers: [Float], to parameter: Parameter, in arena: Tensor) {
    require(arena.storage !== values.storage, "ParameterStore: \(parameter.name) is changed by assign alone")
    ParameterLayout.write(numbers, parameter.specification, into: part(parameter, of: arena))
  }

  private func part(_ parameter: Parameter, of arena: Tensor) -> Tensor {
    arena.part(at: range(of: parameter).lowerBound, parameter.specification.storedShape(backend.convolutionLayout))
  }

  /// Where a trainable parameter stands in `values` and in every arena laid out like it.
  public func range(of parameter: Parameter) -> Range<Int> {
    guard let place = places[parameter.name], place.isTrainable else {
      fatalError("ParameterStore: \(parameter.name) is not trained here")
    }
    return place.offset..<place.offset + parameter.specification.shape.count
  }
}

/// Where each parameter stands in its arena, learned by building the model once without memory.
private final class ArenaPlan {
  struct Place {
    let offset: Int
    let isTrainable: Bool
  }

  private(set) var specifications: [ParameterSpecification] = []
  private(set) var places: [String: Place] = [:]
  private(set) var trainableCount = 0
  private(set) var frozenCount = 0
  private let nothing = NullBackend()
  private let additions: [any ModelAddition]
  private let isTrainable: (ParameterSpecification) -> Bool

  init(additions: [any ModelAddition], isTrainable: @escaping (ParameterSpecification) -> Bool) {
    self.additions = additions
    self.isTrainable = isTrainable
  }

  /// The scope under which a model tells this plan what it asks for.
  var scope: Scope { Scope(on: nothing, .float32, additions: additions) { self.add($0) } }

  private func add(_ specification: ParameterSpecification) -> Parameter {
    require(places[specification.name] == nil, "ParameterStore: \(specification.name) was asked for twice")
    specifications.append(specification)
    // Whole blocks, so that no two parameters share the scale of quantised moments. They are 512 bytes or more, an
    // alignment that vector loads on any device are content with.
    let size = QuantizedBlock.count(of: specification.shape.count) * QuantizedBlock.size
    let trains = isTrainable(specification)
    places[specification.name] = Place(offset: trains ? trainableCount : frozenCount, isTrainable: trains)
    if trains { trainableCount += size } else { frozenCount += size }
    let shape = specification.storedShape(nothing.convolutionLayout)
    return Parameter(specification, value: Tensor(empty: shape, on: nothing))
  }
}
