import Synchronization

/// A tensor that may remember how it was made, so that derivatives can be taken through it.
///
/// A variable without a node is a constant: nothing is recorded through it and nothing is kept alive for it.
public struct Variable: Sendable {
  /// The numbers.
  public let value: Tensor
  let node: Node?

  /// A constant.
  public init(_ constant: Tensor) {
    value = constant
    node = nil
  }

  /// A variable whose gradient is wanted, such as the input of a checkpointed block.
  public init(leaf value: Tensor) {
    self.value = value
    node = Node(value, inputs: [], pull: nil)
  }

  init(_ value: Tensor, node: Node?) {
    self.value = value
    self.node = node
  }

  /// The extents.
  public var shape: Shape { value.shape }

  /// Whether derivatives flow through this variable.
  public var isDifferentiable: Bool { node != nil }

  /// The derivative that `backward` left at a leaf.
  public var gradient: Tensor? { node?.place?.value ?? node?.gradient }
}

/// One operation in the graph, or a leaf of it.
final class Node: @unchecked Sendable {
  // Sendable by use, not by construction: nodes are written only by the thread that runs `backward`, and a graph is
  // never shared between two backward passes.

  /// Computes the gradients of the inputs from the gradient of the output.
  typealias Pull = (Tensor, [Node]) -> Void

  /// Creation order. Backward passes run from the latest node to the earliest, so every pass adds up in one order.
  let order = Node.clock.wrappingAdd(1, ordering: .relaxed).newValue
  let shape: Shape
  let dtype: DType
  let backend: any Backend
  /// Where derivatives add up if this is a parameter; otherwise `gradient` does.
  let place: GradientPlace?
  var inputs: [Node]
  var pull: Pull?
  /// What has flowed into this node during one backward pass.
  var gradient: Tensor?
  /// The parameters that a checkpointed block uses, once for each use: they are no inputs of its node.
  var hiddenParameters: [Node] = []

  private static let clock = Atomic<UInt64>(0)

  init(_ value: Tensor, inputs: [Node], pull: Pull?, place: GradientPlace? = nil) {
    shape = value.shape
    dtype = value.dtype
    backend = value.backend
    self.place = place
    self.inputs = inputs
    self.pull = pull
  }

  deinit {
    // A long chain would otherwise be released by recursion and overflow the stack.
    var pending = inputs
    inputs = []
    while var node = pending.popLast() {
      if isKnownUniquelyReferenced(&node) {
        pending += node.inputs
        node.inputs = []
        node.pull = nil
      }
    }
  }
}

// MARK: - Making differentiable results

extension Variable {
  /// How the gradient of a result flows to one of its inputs.
  public typealias Pullback = (input: Variable?, pull: (_ gradient: Tensor, _ destination: Destination) -> Void)

  /// The result of an operation together with its derivatives, one for each input.
  ///
  /// This and its two siblings are the only ways to make a differentiable variable, so no operation can forget its
  /// derivative. Pullbacks of constants are dropped here: a frozen weight costs neither a kernel nor a kept activation.
  public static func operation(_ value: Tensor, _ pullbacks: Pullback...) -> Variable {
    let live = pullbacks.compactMap { pullback in pullback.input?.node.map { (node: $0, pull: pullback.pull) } }
    guard Recording.connects(live.map(\.node)) else { return Variable(value) }
    let pulls = live.map(\.pull)
    return Variable(
      value,
      node: Node(value, inputs: live.map(\.node)) { gradient, inputs in
        for (input, pull) in zip(inputs, pulls) { input.receive { pull(gradient, $0) } }
      })
  }

  /// The result of an operation whose derivatives are computed by one kernel.
  ///
  /// - Parameter pull: gets one destination for each input, `nil` where no gradient is wanted.
  public static func jointOperation(
    _ value: Tensor, inputs: [Variable?], _ pull: @escaping (_ gradient: Tensor, _ destinations: [Destination?]) -> Void
  ) -> Variable {
    let nodes = inputs.map { $0?.node }
    guard Recording.connects(nodes.compactMap { $0 }) else { return Variable(value) }
    let isWanted = nodes.map { $0 != nil }
    return Variable(
      value,
      node: Node(value, inputs: nodes.compactMap { $0 }) { gradient, live in
        var remaining = live[...]
        let wanted = isWanted.map { $0 ? remaining.removeFirst() : nil }
        Node.receive(wanted) { pull(gradient, $0) }
      })
  }

  /// A result whose gradient passes unchanged to every input, such as a sum or another shape of the same elements.
  public static func identity(_ value: Tensor, of inputs: Variable...) -> Variable {
    let live = inputs.compactMap(\.node)
    guard Recording.connects(live) else { return Variable(value) }
    return Variable(
      value,
      node: Node(value, inputs: live) { gradient, inputs in
        for input in inputs { input.add(gradient) }
      })
  }
}

/// Whether operations are recorded at the moment.
public var isRecording: Bool { Recording.isOn }

/// Runs `body` without recording anything: its results are constants.
public func withoutRecording<Result>(_ body: () throws -> Result) rethrows -> Result {
  try Recording.$isOn.withValue(false) { try Recording.$uses.withValue(nil, operation: body) }
}

/// Runs `body` without recording anything, but takes down each use of a parameter that recording would.
func notingParameters<Result>(_ body: () throws -> Result) rethrows -> (result: Result, parameters: [Node]) {
  let uses = ParameterUses()
  let result = try Recording.$isOn.withValue(false) { try Recording.$uses.withValue(uses, operation: body) }
  return (result, uses.nodes)
}

/// Runs `body` with recording, whatever stands around it.
func withRecording<Result>(_ body: () throws -> Result) rethrows -> Result {
  try Recording.$isOn.withValue(true, operation: body)
}

enum Recording {
  @TaskLocal fileprivate static var isOn = true
  @TaskLocal fileprivate static var uses: ParameterUses?

  /// Whether derivatives are wanted of what is computed, now or when a checkpointed block is run again.
  static var isForDerivatives: Bool { isOn || uses != nil }

  /// Whether the result of an operation on these nodes becomes a node too; if not, takes down which are parameters.
  static func connects(_ nodes: [Node]) -> Bool {
    if isOn { return !nodes.isEmpty }
    if let uses { uses.nodes += nodes.filter { $0.place != nil } }
    return false
  }
}

/// The parameters that a block has used so far, once for each use.
private final class ParameterUses: @unchecked Sendable {
  // Sendable by use: a block runs in one task.
  var nodes: [Node] = []
}
