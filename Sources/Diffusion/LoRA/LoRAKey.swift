/// What a tensor of a LoRA file is, found out from its name.
struct LoRAKey: Hashable {
  /// What a tensor is to its layer.
  enum Role: String, Hashable, CaseIterable {
    case down, up, alpha
  }

  let part: ModelPart
  /// The layer's path in the network, as diffusers names it.
  let layer: String
  let role: Role

  init(_ part: ModelPart, _ layer: String, _ role: Role) {
    self.part = part
    self.layer = layer
    self.role = role
  }

  /// Reads a name in any of the layouts; `nil` if it is none of a LoRA.
  init?(_ name: String) {
    guard let key = LoRAKey.kohya(name) ?? LoRAKey.diffusers(name) else { return nil }
    self = key
  }

  /// The kind of addition that a tensor belongs to, if it is known but not supported.
  static func unsupportedKind(_ name: String) -> String? {
    let kinds = [
      ("dora_scale", "DoRA"), ("lora_magnitude_vector", "DoRA"), ("hada_", "LoHa"), ("lokr_", "LoKr"),
      ("lora_mid.", "a LoCon in Tucker's form"), ("oft_", "OFT"), ("lora_te2_", "a LoRA for SDXL"),
      ("text_encoder_2.", "a LoRA for SDXL"), ("lora_B.bias", "a LoRA with biases"),
    ]
    return kinds.first { name.contains($0.0) }?.1
  }
}

// MARK: - kohya's layout

extension LoRAKey {
  /// The prefixes of kohya's names; the first of each network is the one that is written.
  private static let kohyaPrefixes: [(prefix: String, part: ModelPart)] = [
    ("lora_unet_", .unet), ("lora_te_", .textEncoder), ("lora_te1_", .textEncoder),
  ]
  private static let kohyaRoles: [(suffix: String, role: Role)] = [
    (".lora_down.weight", .down), (".lora_up.weight", .up), (".alpha", .alpha),
  ]

  /// `lora_unet_<path with underscores>.lora_down.weight` and so on.
  private static func kohya(_ name: String) -> LoRAKey? {
    guard let (prefix, part) = kohyaPrefixes.first(where: { name.hasPrefix($0.prefix) }),
      let (suffix, role) = kohyaRoles.first(where: { name.hasSuffix($0.suffix) }),
      let path = LayerPath.path(ofFlattened: name.dropFirst(prefix.count).dropLast(suffix.count))
    else { return nil }
    return LoRAKey(part, part.withLoRAPrefix(path), role)
  }

  /// The name in kohya's layout.
  var kohyaName: String {
    let prefix = LoRAKey.kohyaPrefixes.first { $0.part == part }?.prefix ?? ""
    let suffix = LoRAKey.kohyaRoles.first { $0.role == role }?.suffix ?? ""
    return prefix + layer.replacing(".", with: "_") + suffix
  }
}

// MARK: - diffusers' layouts

extension LoRAKey {
  /// The suffixes that diffusers has had over the years; the first of each role is PEFT's, which is written.
  private static let diffusersRoles: [(suffix: String, role: Role)] = [
    (".lora_A.weight", .down), (".lora_B.weight", .up), (".lora.down.weight", .down), (".lora.up.weight", .up),
    (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up), ("_lora.down.weight", .down),
    ("_lora.up.weight", .up), (".alpha", .alpha),
  ]

  private static func diffusers(_ name: String) -> LoRAKey? {
    guard let (suffix, role) = diffusersRoles.first(where: { name.hasSuffix($0.suffix) }) else { return nil }
    var path = String(name.dropLast(suffix.count))
    let part: ModelPart
    if let prefixed = [ModelPart.unet, .textEncoder].first(where: { path.hasPrefix("\($0.folder).") }) {
      part = prefixed
      path.removeFirst(part.folder.count + 1)
    } else {
      // Files from before there were LoRAs for text encoders.
      part = .unet
    }
    path = part.withLoRAPrefix(currentName(path, part))
    return LayerPath.isPath(path) ? LoRAKey(part, path, role) : nil
  }

  /// The name in diffusers' layout.
  var diffusersName: String {
    let suffix = LoRAKey.diffusersRoles.first { $0.role == role }?.suffix ?? ""
    return "\(part.folder).\(layer)\(suffix)"
  }

  /// Undoes the names of the time when adapters were part of an attention processor.
  private static func currentName(_ path: String, _ part: ModelPart) -> String {
    var components = path.split(separator: ".").map(String.init).filter { $0 != "processor" }
    guard let last = components.last else { return path }
    let names: [String: [String]] =
      switch part {
      case .textEncoder: ["to_q": ["q_proj"], "to_k": ["k_proj"], "to_v": ["v_proj"], "to_out": ["out_proj"]]
      case .unet, .vae: ["to_out": ["to_out", "0"]]
      }
    components.replaceSubrange(components.count - 1..<components.count, with: names[last] ?? [last])
    return components.joined(separator: ".")
  }
}

extension ModelPart {
  /// A path with the text encoder's own prefix, which transformers 5 leaves out.
  fileprivate func withLoRAPrefix(_ path: String) -> String {
    self == .textEncoder ? key(ofStored: path) ?? path : path
  }
}
