import Foundation

extension LoRA.Layer {
  /// What the layer adds to its weight at full strength: [out, in] or [out, in, height, width].
  func product(on backend: any Backend) -> Tensor {
    let rank = rank
    let columns = down.shape.count / rank
    let right = Tensor(down.numbers, [rank, columns], on: backend).transposed([1, 0])
    let product = Tensor(up.numbers, [up.shape[0], rank], on: backend).linear(right, bias: nil) * scale
    return product.reshaped(Shape([up.shape[0]] + down.shape.dimensions.dropFirst()))
  }
}

extension [ScaledLoRA] {
  /// Makes sure that every layer is one of the model's, with its extents.
  ///
  /// - Throws: `LoRAError`, or what is wrong with the folder.
  func requireFit(_ folder: ModelFolder) throws {
    let nothing = NullBackend()
    func build<Model>(_ part: ModelPart, _ make: (Scope) throws -> Model) throws {
      _ = try ParameterStore.build(
        on: nothing, trainable: { _ in false }, additions: adapters(for: part), from: UndefinedParameters(), make)
    }
    try build(.unet, folder.makeUNet)
    try build(.textEncoder, folder.makeTextEncoder)
  }

  /// A weight with all that is added to it.
  func merged(into weight: Tensor, _ name: String, of part: ModelPart) -> Tensor {
    let additions = flatMap { one in
      one.lora.layers.filter { $0.part == part && "\($0.name).weight" == name }.map { ($0, one.scale) }
    }
    return additions.reduce(weight) { sum, addition in
      sum + addition.0.product(on: weight.backend).reshaped(weight.shape) * addition.1
    }
  }
}
