extension Variable {
  /// Carries a gradient from this variable back to every leaf, adding to the gradients that parameters already hold.
  ///
  /// Kept activations return to the memory pool as the sweep passes them, so a graph can be walked only once.
  ///
  /// - Parameter seed: the derivative by this variable, of its shape; 1 for a scalar loss if left out.
  public func backward(_ seed: Tensor? = nil) {
    require(seed != nil || value.count == 1, "backward: a seed is needed for shape \(shape)")
    guard let root = node else { fatalError("backward: the variable of shape \(shape) is a constant") }
    let seed = seed ?? Tensor(repeating: 1, shape, on: value.backend)
    require(seed.shape == shape, "backward: seed \(seed.shape) does not match \(shape)")
    var pending = root.reachable()
    root.add(seed)
    let uses = OpenUses.current ?? OpenUses(pending)
    OpenUses.$current.withValue(uses) {
      while let node = pending.popLast() {
        guard let pull = node.pull else { continue }
        let inputs = node.inputs
        if let gradient = node.gradient {
          node.gradient = nil
          pull(gradient, inputs)
        }
        node.pull = nil
        node.inputs = []
        for input in inputs { uses.close(input) }
      }
    }
  }
}

/// How many operations of a backward pass have yet to hand a derivative to each parameter.
///
/// The uses in checkpointed blocks count from the beginning. The pass through such a block is part of the one around it.
private final class OpenUses: @unchecked Sendable {
  // Sendable by use, as `Node` is.
  @TaskLocal static var current: OpenUses?
  private var counts: [ObjectIdentifier: Int] = [:]

  init(_ nodes: [Node]) {
    for node in nodes {
      for input in node.inputs + node.hiddenParameters where input.place != nil {
        counts[ObjectIdentifier(input), default: 0] += 1
      }
    }
  }

  /// One operation on a node is done with. The gradient of a parameter without any others is complete.
  func close(_ node: Node) {
    guard let place = node.place, let count = counts[ObjectIdentifier(node)] else { return }
    counts[ObjectIdentifier(node)] = count - 1
    if count == 1 { place.complete() }
  }
}

extension Node {
  /// This node and everything it was made from, earliest first.
  fileprivate func reachable() -> [Node] {
    var seen = Set<ObjectIdentifier>()
    var found: [Node] = []
    var stack = [self]
    while let node = stack.popLast() {
      guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
      found.append(node)
      stack += node.inputs
    }
    found.sort { $0.order < $1.order }
    return found
  }

  /// Hands a kernel the place for this node's gradient.
  func receive(_ kernel: (Destination) -> Void) {
    Node.receive([self]) { kernel($0[0]!) }
  }

  /// Hands a kernel the places for the gradients of several nodes, among which one may appear twice.
  static func receive(_ nodes: [Node?], _ kernel: ([Destination?]) -> Void) {
    var fresh: [(node: Node, gradient: Tensor)] = []
    let destinations = nodes.map { node -> Destination? in
      guard let node else { return nil }
      if let place = node.place {
        // A kernel writes its outputs in any order, so what it writes twice must be there before.
        return nodes.count { $0 === node } > 1 ? .accumulate(place.value) : place.next()
      }
      if let existing = node.gradientForAccumulation() { return .accumulate(existing) }
      let gradient = Tensor(empty: node.shape, dtype: node.dtype, on: node.backend)
      fresh.append((node, gradient))
      return .overwrite(gradient)
    }
    kernel(destinations)
    for (node, gradient) in fresh { node.add(gradient) }
  }

  /// The gradient so far, if there is one, where it may be written in place: a tensor that others share is copied first.
  ///
  /// Whether it is shared depends on how the sweep is cut into pieces, for instance by `checkpoint`. What the kernels
  /// are asked to do must not, since a device may round a sum differently when it adds to what is there.
  private func gradientForAccumulation() -> Tensor? {
    if gradient?.isUniquelyReferenced() == true { return gradient }
    guard let shared = gradient else { return nil }
    let own = shared.emptyLike()
    backend.cast(shared, into: .overwrite(own))
    gradient = own
    return own
  }

  /// Adds an existing tensor to the gradient, passing it on without a copy where it is the first to arrive.
  func add(_ incoming: Tensor) {
    let incoming = incoming.reshaped(shape)
    if let place { return backend.cast(incoming, into: place.next()) }
    // Asked before anything here holds the gradient too.
    let isOwn = gradient?.isUniquelyReferenced() == true
    switch gradient {
    case nil: gradient = incoming
    case let existing? where isOwn: backend.cast(incoming, into: .accumulate(existing))
    case let shared?: gradient = shared + incoming
    }
  }
}
