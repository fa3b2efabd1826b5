/// What a file of weights holds, told from the names and extents of its tensors.
public enum WeightFileKind: Sendable, Hashable, CustomStringConvertible {
  /// A whole Stable Diffusion model in the layout of the original implementation.
  case singleFile(SingleFileKind)
  /// A whole model of a family that is not supported.
  case unsupportedModel(String)
  /// One network of a diffusers folder.
  case part(ModelPart)
  /// A network alone in the layout of the original implementation.
  case originalPart(ModelPart)
  /// Small corrections to another model's weights.
  case lora
  /// Vectors of new tokens.
  case textualInversion
  /// A network that steers another one.
  case controlNet
  /// Nothing that is known here.
  case unknown

  /// Looks at the tensors of a file.
  public init(_ shapes: [String: Shape]) {
    let names = Set(shapes.keys)
    func has(prefix: String) -> Bool { names.contains { $0.hasPrefix(prefix) } }
    func has(suffix: String) -> Bool { names.contains { $0.hasSuffix(suffix) } }
    if let family = Self.unsupportedFamily(names) {
      self = .unsupportedModel(family)
    } else if Self.loraEndings.contains(where: has(suffix:)) {
      self = .lora
    } else if has(prefix: "control_model.") {
      self = .controlNet
    } else if let kind = SingleFileKind(shapes) {
      self = .singleFile(kind)
    } else if has(prefix: SingleFileLayout.unetPrefix) || names.contains("input_blocks.0.0.weight") {
      self = .originalPart(.unet)
    } else if has(prefix: SingleFileLayout.autoencoderPrefix) || names.contains("encoder.down.0.block.0.norm1.weight") {
      self = .originalPart(.vae)
    } else if names.contains("down_blocks.0.resnets.0.norm1.weight") {
      self = .part(.unet)
    } else if names.contains("encoder.down_blocks.0.resnets.0.norm1.weight") {
      self = .part(.vae)
    } else if has(suffix: "encoder.layers.0.layer_norm1.weight") {
      self = .part(.textEncoder)
    } else if Self.areTokenVectors(shapes) {
      self = .textualInversion
    } else {
      self = .unknown
    }
  }

  /// What names of the first of two small matrices end in: kohya's, PEFT's and diffusers' own of old.
  private static let loraEndings = [
    ".lora_down.weight", ".lora_A.weight", ".lora.down.weight", ".lora_linear_layer.down.weight", ".hada_w1_a",
    ".lokr_w1", ".lokr_w1_a",
  ]

  /// Whether all that there is are vectors of tokens: under the name that WebUIs give them, or those of the tokens.
  private static func areTokenVectors(_ shapes: [String: Shape]) -> Bool {
    if shapes["emb_params"] != nil { return true }
    return !shapes.isEmpty && shapes.allSatisfy { name, shape in !name.contains(".") && (1...2).contains(shape.rank) }
  }

  /// The family of a model that is whole but none of Stable Diffusion 1 and 2.
  private static func unsupportedFamily(_ names: Set<String>) -> String? {
    let signs = [
      ("conditioner.embedders.1.", "Stable Diffusion XL"),
      ("conditioner.embedders.0.model.", "a Stable Diffusion XL refiner"),
      ("model.diffusion_model.joint_blocks.", "Stable Diffusion 3"),
      ("model.diffusion_model.double_blocks.", "Flux"), ("double_blocks.", "Flux"),
    ]
    return signs.first { sign in names.contains { $0.hasPrefix(sign.0) } }?.1
  }

  /// The kind in words.
  public var description: String {
    switch self {
    case .singleFile(let kind): "\(kind), in one file"
    case .unsupportedModel(let family): "\(family), in one file"
    case .part(let part): "the \(part.rawValue) of a diffusers folder"
    case .originalPart(let part): "a \(part.rawValue) alone, in the original layout"
    case .lora: "LoRA"
    case .textualInversion: "a textual inversion"
    case .controlNet: "a ControlNet"
    case .unknown: "unknown"
    }
  }
}

/// Which Stable Diffusion a single file holds.
public struct SingleFileKind: Sendable, Hashable, CustomStringConvertible {
  /// The generations of Stable Diffusion that are supported.
  public enum Generation: Sendable, Hashable {
    /// 1.1 to 1.5: CLIP ViT-L.
    case first
    /// 2.0 and 2.1: OpenCLIP ViT-H.
    case second
  }

  /// Which Stable Diffusion it is.
  public let generation: Generation
  /// The channels that the UNet takes: 4, or 9 for painting into a picture.
  public let inputChannels: Int
  /// Whether the file holds running averages of the UNet's weights beside the weights themselves.
  public let hasAverages: Bool

  /// Looks at a file's tensors; nil where they are not a whole model.
  public init?(_ shapes: [String: Shape]) {
    guard let first = shapes[Self.firstConvolution], first.rank == 4 else { return nil }
    let names = shapes.keys
    if names.contains(where: { $0.hasPrefix(SingleFileLayout.TextLayout.openCLIP.prefix) }) {
      generation = .second
    } else if names.contains(where: { $0.hasPrefix(SingleFileLayout.TextLayout.clip.prefix) }) {
      generation = .first
    } else {
      return nil
    }
    guard names.contains(where: { $0.hasPrefix(SingleFileLayout.autoencoderPrefix) }) else { return nil }
    inputChannels = first[1]
    // Fewer are only the counters that every training with averages leaves behind.
    hasAverages = names.count { $0.hasPrefix("model_ema.") } > 100
  }

  static let firstConvolution = SingleFileLayout.unetPrefix + "input_blocks.0.0.weight"

  /// The kind in words.
  public var description: String {
    let name = generation == .first ? "Stable Diffusion 1.x" : "Stable Diffusion 2.x"
    let task =
      switch inputChannels {
      case 4: ""
      case 8: ", edits pictures"
      case 9: ", paints into pictures"
      default: ", takes \(inputChannels) channels"
      }
    return "\(name)\(task)\(hasAverages ? ", with averaged weights" : "")"
  }
}
