/// Computes a block without keeping its activations, and computes it again when its derivative is needed
/// (Chen et al., 2016).
///
/// The gradients are the same, bit for bit, as without checkpointing.
///
/// - Parameters:
///   - inputs: everything differentiable that the block depends on, parameters aside.
///   - block: must give the same result each time it is run on the same inputs.
public func checkpoint(_ inputs: [Variable], _ block: @escaping ([Variable]) -> Variable) -> Variable {
  guard Recording.connects(inputs.compactMap(\.node)) || isRecording else { return block(inputs) }
  let (value, parameters) = notingParameters { block(inputs).value }
  // Nothing in it is trained and nothing before it: there is no derivative to come back for.
  guard !parameters.isEmpty || inputs.contains(where: \.isDifferentiable) else { return Variable(value) }
  let values = inputs.map { (tensor: $0.value, isDifferentiable: $0.isDifferentiable) }
  let node = Node(value, inputs: inputs.compactMap(\.node)) { gradient, nodes in
    var remaining = nodes[...]
    var standIns: [(node: Node, leaf: Node)] = []
    let leaves = values.map { value in
      guard value.isDifferentiable else { return Variable(value.tensor) }
      let node = remaining.removeFirst()
      if node.place != nil { return Variable(value.tensor, node: node) }
      if let known = standIns.first(where: { $0.node === node }) { return Variable(value.tensor, node: known.leaf) }
      let leaf = Node(value.tensor, inputs: [], pull: nil)
      standIns.append((node, leaf))
      return Variable(value.tensor, node: leaf)
    }
    let again = withRecording { block(leaves) }
    guard again.isDifferentiable else { return }
    // The leaves continue the sums that have begun, so that rounding is the same as without checkpointing.
    for (node, leaf) in standIns { (leaf.gradient, node.gradient) = (node.gradient, nil) }
    again.backward(gradient)
    for (node, leaf) in standIns { (node.gradient, leaf.gradient) = (leaf.gradient, nil) }
  }
  node.hiddenParameters = parameters
  return Variable(value, node: node)
}
