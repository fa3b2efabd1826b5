/// The parts of a Stable Diffusion model that have weights.
public enum ModelPart: String, Sendable, CaseIterable {
  case unet
  case textEncoder = "text_encoder"
  case vae

  /// The part's folder inside the model's.
  public var folder: String { rawValue }

  /// The file that holds the weights, inside the model's folder.
  public var weightsFile: String {
    switch self {
    case .unet, .vae: "\(folder)/diffusion_pytorch_model.safetensors"
    case .textEncoder: "\(folder)/model.safetensors"
    }
  }

  /// The forms in which weights are found, the best one first.
  var weightForms: [WeightForm] {
    switch self {
    case .unet, .vae: ["safetensors", "bin"].map { WeightForm(stem: "diffusion_pytorch_model", ending: $0) }
    case .textEncoder:
      [WeightForm(stem: "model", ending: "safetensors"), WeightForm(stem: "pytorch_model", ending: "bin")]
    }
  }

  /// The file that holds the options, inside the model's folder.
  var configurationFile: String { "\(folder)/config.json" }

  /// The parameter that a tensor of a file stands for, or `nil` if it stands for none.
  func key(ofStored name: String) -> String? {
    switch self {
    case .unet: return name
    case .vae: return name.contains(".attentions.") ? Self.withCurrentAttentionNames(name) : name
    case .textEncoder:
      // Old files count the positions; transformers 5 leaves out the prefix that everybody else writes.
      if name.hasSuffix("embeddings.position_ids") { return nil }
      return name.hasPrefix("text_model.") ? name : "text_model.\(name)"
    }
  }

  /// diffusers' names for the attention of an autoencoder, in place of those of its first releases.
  private static func withCurrentAttentionNames(_ name: String) -> String {
    let names = ["query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"]
    return name.split(separator: ".").map { names[String($0)] ?? String($0) }.joined(separator: ".")
  }

  /// Whether a tensor of the extents `found` holds a parameter of the extents `expected`.
  ///
  /// The attention of an autoencoder may be stored as 1x1 convolutions, as its original implementation has it.
  func accepts(_ found: Shape, for expected: Shape) -> Bool {
    found == expected
      || self == .vae && expected.rank == 2 && found.dimensions == expected.dimensions + [1, 1]
  }
}
