/// The names that OpenCLIP, the text encoder of Stable Diffusion 2, gives to its tensors.
///
/// Stable Diffusion 1 has the names of transformers itself.
enum OpenCLIPNames {
  /// A tensor of OpenCLIP and which part of it a tensor of transformers is.
  struct Place {
    let name: String
    /// The first of three equal parts that stand one after another: queries, keys, values.
    var third: Int?
  }

  /// Whether a tensor takes part in making the states that the UNet attends to: those of the last layer but one.
  static func isNeeded(_ name: String, layers: Int) -> Bool {
    let path = DottedName(name)
    if path[0] == "transformer" { return (Int(path[2]) ?? 0) < layers }
    return !["text_projection", "logit_scale", "attn_mask"].contains(name)
  }

  /// Where OpenCLIP keeps a tensor of transformers.
  static func original(_ name: String) -> Place {
    let path = DottedName(name)
    switch path[1] {
    case "embeddings":
      return Place(name: path[2] == "position_embedding" ? "positional_embedding" : path.suffix(from: 2))
    case "final_layer_norm": return Place(name: "ln_final.\(path.suffix(from: 2))")
    default: break
    }
    let block = "transformer.resblocks.\(path.number(3))"
    let names = ["layer_norm1": "ln_1", "layer_norm2": "ln_2", "fc1": "c_fc", "fc2": "c_proj"]
    switch path[4] {
    case "self_attn":
      if let third = ["q_proj", "k_proj", "v_proj"].firstIndex(of: path[5]) {
        return Place(name: "\(block).attn.in_proj_\(path[6])", third: third)
      }
      return Place(name: "\(block).attn.\(path.suffix(from: 5))")
    case "mlp": return Place(name: "\(block).mlp.\(names[path[5]] ?? path[5]).\(path.suffix(from: 6))")
    default: return Place(name: "\(block).\(names[path[4]] ?? path[4]).\(path.suffix(from: 5))")
    }
  }
}
