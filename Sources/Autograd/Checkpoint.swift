/// Computes a block without keeping its activations, and computes it again when its derivative is needed
/// (Chen et al., 2016).
///
/// The gradients are the same, bit for bit, as without checkpointing.
///
/// - Parameters:
///   - inputs: everything differentiable that the block depends on, parameters aside.
///   - block: must give the same result each time it is run on the same inputs.
public func checkpoint(_ inputs: [Variable], _ block: @escaping ([Variable]) -> Variable) -> Variable {
  guard isRecording else { return block(inputs) }
  let value = withoutRecording { block(inputs).value }
  let detached = inputs.map { (value: $0.value, isDifferentiable: $0.isDifferentiable) }
  return Variable(
    value,
    node: Node(value, inputs: inputs.compactMap(\.node)) { gradient, nodes in
      let leaves = detached.map { $0.isDifferentiable ? Variable(leaf: $0.value) : Variable($0.value) }
      let again = block(leaves)
      guard again.isDifferentiable else { return }
      again.backward(gradient)
      for (leaf, node) in zip(leaves.filter(\.isDifferentiable), nodes) {
        if let gradient = leaf.gradient { node.add(gradient) }
      }
    })
}
