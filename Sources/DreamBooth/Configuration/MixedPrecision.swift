/// The type that the networks compute in while they are trained (Micikevicius et al., 2018), under diffusers' names.
///
/// Trained weights and the optimiser's moments are Float32 in any case, and so are losses, latents and what is saved.
public enum MixedPrecision: String, Sendable, Hashable, Codable, CaseIterable {
  /// Float32, PyTorch's reference.
  case no
  /// Float16, with a scaled loss.
  case fp16
  /// BFloat16, which has Float32's range and needs no scale.
  case bf16

  /// The type of the networks' activations and gradients.
  public var computeType: DType {
    switch self {
    case .no: .float32
    case .fp16: .float16
    case .bf16: .bfloat16
    }
  }

  /// How the loss is scaled, where gradients would vanish otherwise.
  var lossScaling: LossScaling? { self == .fp16 ? LossScaling() : nil }
}

extension KeyedDecodingContainer {
  /// Checkpoints and logs that were written before there was a choice lack the option.
  ///
  /// Being more specific than the standard library's method, this one is what synthesised decoding calls.
  func decode(_: MixedPrecision.Type, forKey key: Key) throws -> MixedPrecision {
    try decodeIfPresent(MixedPrecision.self, forKey: key) ?? .no
  }
}
