/// Why a LoRA cannot be read, or cannot be applied to a model.
public enum LoRAError: Error, Equatable, CustomStringConvertible {
  /// The file holds tensors that are no part of a LoRA for Stable Diffusion 1 or 2.
  case unexpectedKeys(file: String, keys: [String])
  /// The file holds an addition of a kind that is not supported.
  case unsupported(file: String, key: String, kind: String)
  /// Nothing in the file is an addition.
  case empty(file: String)
  /// One of a layer's two factors is missing, or they are there twice.
  case incomplete(file: String, layer: String, reason: String)
  /// The two factors of a layer do not go together.
  case wrongFactors(file: String, layer: String, down: Shape, up: Shape)
  /// The file's `lora_adapter_metadata` makes no sense.
  case wrongMetadata(file: String, reason: String)
  /// The model has no layers of these names.
  case unknownLayers(lora: String, layers: [String])
  /// A layer of the model has other extents.
  case wrongShape(lora: String, layer: String, found: Shape, expected: Shape)

  /// One sentence that names the file and what to do.
  public var description: String {
    switch self {
    case .unexpectedKeys(let file, let keys):
      "\(file) is no LoRA for Stable Diffusion 1 or 2: it holds \(ModelFolderError.listed(keys))"
    case .unsupported(let file, let key, let kind):
      "\(file): \(key) is part of \(kind), which is not supported; only LoRA and LoCon are"
    case .empty(let file): "\(file) holds no LoRA"
    case .incomplete(let file, let layer, let reason): "\(file) is damaged: layer \(layer) \(reason)"
    case .wrongFactors(let file, let layer, let down, let up):
      "\(file) is damaged: layer \(layer) has the factors \(down) and \(up), which do not go together"
    case .wrongMetadata(let file, let reason): "\(file): its lora_adapter_metadata \(reason)"
    case .unknownLayers(let lora, let layers):
      "\(lora) is for another model: it adds to \(layers.prefix(3).joined(separator: ", "))"
        + "\(layers.count > 3 ? " and \(layers.count - 3) other layers" : ""), which this model does not have"
    case .wrongShape(let lora, let layer, let found, let expected):
      "\(lora) is for another model: its factor for \(layer) has shape \(found), but \(expected) is needed"
    }
  }
}
