import Diffusion
import Foundation
import TestSupport

/// A model of a tiny model's kind with one layer of each sort, so that damaged ones are read in no time.
struct SmallModel {
  /// The tiny model.
  let like: String
  /// Where it is written.
  let url: URL

  /// The options in which it differs from the tiny model.
  private static let options: [String: [String: JSONValue]] = [
    "unet/config.json": [
      "block_out_channels": [4], "down_block_types": ["CrossAttnDownBlock2D"],
      "up_block_types": ["CrossAttnUpBlock2D"], "layers_per_block": 1, "attention_head_dim": 1,
      "cross_attention_dim": 8, "norm_num_groups": 2,
    ],
    "vae/config.json": [
      "block_out_channels": [4], "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
      "layers_per_block": 1, "norm_num_groups": 2,
    ],
    "text_encoder/config.json": [
      "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
    ],
  ]

  /// Writes a model of random numbers in half precision.
  init(like: String, to url: URL) throws {
    self.like = like
    self.url = url
    let shape = try TemporaryFolder()
    let folder = shape.url.appending(path: "shape", directoryHint: .isDirectory)
    try FileManager.default.copyItem(at: Fixtures.model(like), to: folder)
    for (path, options) in Self.options {
      let file = folder.appending(path: path)
      let members = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: file))
      try JSONEncoder().encode(members.merging(options) { $1 }).write(to: file)
    }
    try ModelFolder(folder).saveUntrained(to: url, seed: 1, dtype: .float16, on: CPUBackend())
  }

  /// Writes the UNet in two shards with their index, the text encoder as PyTorch's file, and the autoencoder as a variant.
  func scatter() throws {
    let device = try TensorFileFormat.open(url.appending(path: "unet/diffusion_pytorch_model.safetensors"))
    let names = device.names
    var places: [String: String] = [:]
    for (index, part) in [names.prefix(names.count / 2), names.suffix(from: names.count / 2)].enumerated() {
      let shard = "diffusion_pytorch_model-0000\(index + 1)-of-00002.safetensors"
      try SafetensorsWriter.write(
        try part.map { TensorItem($0, copying: try device.entry($0)) }, to: url.appending(path: "unet/\(shard)"))
      for name in part { places[name] = shard }
    }
    try JSONEncoder().encode(["weight_map": places])
      .write(to: url.appending(path: "unet/diffusion_pytorch_model.safetensors.index.json"))
    try FileManager.default.removeItem(at: url.appending(path: "unet/diffusion_pytorch_model.safetensors"))
    let text = url.appending(path: "text_encoder/model.safetensors")
    try FileFormats.writeTorch(text, to: url.appending(path: "text_encoder/pytorch_model.bin"))
    try FileManager.default.removeItem(at: text)
    try FileManager.default.moveItem(
      at: url.appending(path: "vae/diffusion_pytorch_model.safetensors"),
      to: url.appending(path: "vae/diffusion_pytorch_model.fp16.safetensors"))
  }
}

/// Files in other formats than the repository has them.
enum FileFormats {
  /// Writes the tensors of a file as PyTorch does.
  static func writeTorch(_ source: URL, to destination: URL) throws {
    let file = try TensorFileFormat.open(source)
    let items = try file.names.map { TensorItem($0, copying: try file.entry($0)) }
    try TorchWriter.write(["state_dict": .tensors(items)], to: destination)
  }
}
