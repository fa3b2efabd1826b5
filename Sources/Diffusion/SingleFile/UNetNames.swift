/// The names that the original implementation of Stable Diffusion gives to a UNet's tensors.
///
/// It counts all layers of the way down in one list and all of the way up in another, halving and doubling included,
/// where diffusers counts blocks and the layers within each.
struct UNetNames {
  /// The place of each block's first layer in `input_blocks`, where the first convolution is 0.
  private let inputStarts: [Int]
  /// The place of each block's first layer in `output_blocks`.
  private let outputStarts: [Int]
  private let configuration: UNetConfiguration

  /// The names of a UNet of some shape.
  init(_ configuration: UNetConfiguration) {
    self.configuration = configuration
    // Each block but the last ends by halving, which is a layer of its own on the way down.
    inputStarts = Self.starts(configuration.layersPerBlock.map { $0 + 1 }, from: 1)
    // A block has one layer more on the way up, and doubling belongs to its last one.
    outputStarts = Self.starts(configuration.layersPerBlock.reversed().map { $0 + 1 }, from: 0)
  }

  private static func starts(_ counts: [Int], from first: Int) -> [Int] {
    counts.reduce(into: [first]) { $0.append($0[$0.count - 1] + $1) }
  }

  /// The original name of a tensor of diffusers.
  func original(_ name: String) -> String {
    let path = DottedName(name)
    switch path[0] {
    case "conv_in": return "input_blocks.0.0.\(path.suffix(from: 1))"
    case "time_embedding": return "time_embed.\(path[1] == "linear_1" ? 0 : 2).\(path.suffix(from: 2))"
    case "down_blocks": return down(path)
    case "mid_block": return middle(path)
    case "up_blocks": return up(path)
    case "conv_norm_out": return "out.0.\(path.suffix(from: 1))"
    case "conv_out": return "out.2.\(path.suffix(from: 1))"
    default: fatalError("UNetNames: \(name) is no tensor of a UNet")
    }
  }

  private func down(_ path: DottedName) -> String {
    let (block, layer) = (path.number(1), path.number(3))
    if path[2] == "downsamplers" { return "input_blocks.\(inputStarts[block + 1] - 1).0.op.\(path.suffix(from: 5))" }
    return "input_blocks.\(inputStarts[block] + layer).\(Self.layer(path))"
  }

  private func middle(_ path: DottedName) -> String {
    let layer = path.number(2)
    let rest = path.suffix(from: 3)
    return path[1] == "attentions" ? "middle_block.1.\(rest)" : "middle_block.\(2 * layer).\(Self.residual(rest))"
  }

  private func up(_ path: DottedName) -> String {
    let (block, layer) = (path.number(1), path.number(3))
    guard path[2] == "upsamplers" else { return "output_blocks.\(outputStarts[block] + layer).\(Self.layer(path))" }
    let place = configuration.upBlockTypes[block] == .crossAttention ? 2 : 1
    return "output_blocks.\(outputStarts[block + 1] - 1).\(place).\(path.suffix(from: 4))"
  }

  /// The name within a layer of the way down or up: a residual part first, then perhaps a transformer.
  private static func layer(_ path: DottedName) -> String {
    let rest = path.suffix(from: 4)
    return path[2] == "attentions" ? "1.\(rest)" : "0.\(residual(rest))"
  }

  /// The name within a residual layer.
  private static func residual(_ name: String) -> String {
    let path = DottedName(name)
    let names = [
      "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
      "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
    ]
    guard let original = names[path[0]] else { fatalError("UNetNames: \(name) is no part of a residual layer") }
    return "\(original).\(path.suffix(from: 1))"
  }
}
