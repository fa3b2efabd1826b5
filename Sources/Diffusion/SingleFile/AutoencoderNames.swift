/// The names that the original implementation of Stable Diffusion gives to an autoencoder's tensors.
struct AutoencoderNames {
  /// The number of levels. The decoder's are counted from the largest picture, in diffusers from the smallest.
  private let levels: Int

  /// The names of an autoencoder of some shape.
  init(_ configuration: AutoencoderConfiguration) { levels = configuration.blockChannels.count }

  /// The original name of a tensor of diffusers.
  func original(_ name: String) -> String {
    let path = DottedName(name)
    let half = path[0]
    switch path[1] {
    case "conv_norm_out": return "\(half).norm_out.\(path.suffix(from: 2))"
    case "mid_block": return "\(half).mid.\(middle(path))"
    case "down_blocks": return "\(half).down.\(path.number(2)).\(layer(path))"
    case "up_blocks": return "\(half).up.\(levels - 1 - path.number(2)).\(layer(path))"
    default: return name
    }
  }

  private func layer(_ path: DottedName) -> String {
    switch path[3] {
    case "downsamplers": "downsample.\(path.suffix(from: 5))"
    case "upsamplers": "upsample.\(path.suffix(from: 5))"
    default: "block.\(path.number(4)).\(Self.residual(path.suffix(from: 5)))"
    }
  }

  private func middle(_ path: DottedName) -> String {
    if path[2] == "resnets" { return "block_\(path.number(3) + 1).\(Self.residual(path.suffix(from: 4)))" }
    let names = ["group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v"]
    if let original = names[path[4]] { return "attn_1.\(original).\(path.suffix(from: 5))" }
    return "attn_1.proj_out.\(path.suffix(from: 6))"  // to_out.0
  }

  private static func residual(_ name: String) -> String {
    let path = DottedName(name)
    return path[0] == "conv_shortcut" ? "nin_shortcut.\(path.suffix(from: 1))" : name
  }
}
