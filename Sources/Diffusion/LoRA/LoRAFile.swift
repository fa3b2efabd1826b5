import Foundation

/// The names and the metadata by which programs know a LoRA.
public enum LoRALayout: String, Sendable, CaseIterable {
  /// diffusers and PEFT: `unet.<path>.lora_A.weight`; alpha is in the header's `lora_adapter_metadata` alone.
  case diffusers
  /// kohya's sd-scripts, AUTOMATIC1111 and ComfyUI: `lora_unet_<path>.lora_down.weight`, with a tensor `.alpha`.
  case kohya
}

extension LoRA {
  /// The name that diffusers gives a LoRA's file in a folder.
  public static let fileName = "pytorch_lora_weights.safetensors"

  /// Reads a LoRA in any of the layouts, old ones of diffusers included, from a safetensors file or one of PyTorch's.
  ///
  /// Where a file says nothing of alpha it is the rank, as for its readers.
  ///
  /// - Throws: `LoRAError`, or what is wrong with the file.
  public init(contentsOf url: URL) throws {
    let file = try TensorFileFormat.open(url)
    var names: [LayerKey: [LoRAKey.Role: String]] = [:]
    var unexpected: [String] = []
    for name in file.names {
      if let kind = LoRAKey.unsupportedKind(name) {
        throw LoRAError.unsupported(file: file.path, key: name, kind: kind)
      }
      guard let key = LoRAKey(name) else {
        unexpected.append(name)
        continue
      }
      if let other = names[LayerKey(key), default: [:]].updateValue(name, forKey: key.role) {
        throw LoRAError.incomplete(file: file.path, layer: key.layer, reason: "is there twice, by \(other) and \(name)")
      }
    }
    guard unexpected.isEmpty else { throw LoRAError.unexpectedKeys(file: file.path, keys: unexpected) }
    guard !names.isEmpty else { throw LoRAError.empty(file: file.path) }
    let metadata = try LoRAMetadata(file)
    self.init(
      try names.map { key, names in try Self.layer(key, names, file, metadata) }, origin: file.path)
  }

  private struct LayerKey: Hashable {
    let part: ModelPart
    let layer: String

    init(_ key: LoRAKey) {
      part = key.part
      layer = key.layer
    }
  }

  private static func layer(
    _ key: LayerKey, _ names: [LoRAKey.Role: String], _ file: any TensorFile, _ metadata: LoRAMetadata?
  ) throws -> Layer {
    func matrix(_ role: LoRAKey.Role) throws -> Matrix {
      guard let name = names[role] else {
        throw LoRAError.incomplete(file: file.path, layer: key.layer, reason: "has no factor '\(role.rawValue)'")
      }
      let entry = try file.entry(name)
      return Matrix(try file.floats(name), entry.shape, dtype: entry.dtype.floatingPoint)
    }
    let (down, up) = (try matrix(.down), try matrix(.up))
    guard [2, 4].contains(down.shape.rank), down.shape.rank == up.shape.rank, down.shape.count > 0, up.shape.count > 0,
      up.shape[1] == down.shape[0], up.shape.dimensions.dropFirst(2).allSatisfy({ $0 == 1 })
    else {
      throw LoRAError.wrongFactors(file: file.path, layer: key.layer, down: down.shape, up: up.shape)
    }
    let rank = down.shape[0]
    let alpha =
      try names[.alpha].map { try storedAlpha($0, file) }
      ?? metadata?.alpha(key.part, key.layer, rank: rank) ?? Float(rank)
    return Layer(key.part, key.layer, alpha: alpha, down: down, up: up)
  }

  private static func storedAlpha(_ name: String, _ file: any TensorFile) throws -> Float {
    let type = try file.entry(name).dtype
    let numbers = [.int32, .int64].contains(type) ? try file.int32s(name).map(Float.init) : try file.floats(name)
    guard numbers.count == 1, numbers[0].isFinite else {
      throw LoRAError.incomplete(file: file.path, layer: name, reason: "is not one number")
    }
    return numbers[0]
  }

  /// Writes a file that programs of the given kind read, and compares what was written.
  ///
  /// - Parameters:
  ///   - metadata: what the header says besides.
  ///   - backend: where numbers are converted.
  /// - Throws: `FileError`, `WrittenFileError`; a file that stood there before is then unharmed.
  public func write(
    to url: URL, _ layout: LoRALayout, metadata: [String: String] = [:], on backend: any Backend
  ) throws {
    let items = layers.flatMap { layer -> [TensorItem] in
      func item(_ role: LoRAKey.Role, _ matrix: Matrix) -> TensorItem {
        let key = LoRAKey(layer.part, layer.name, role)
        return TensorItem(layout == .kohya ? key.kohyaName : key.diffusersName, matrix.shape, matrix.dtype) {
          Tensor(matrix.numbers, matrix.shape, on: backend)
        }
      }
      let factors = [item(.down, layer.down), item(.up, layer.up)]
      return layout == .kohya ? factors + [item(.alpha, Matrix([layer.alpha], []))] : factors
    }
    let own = layout == .kohya ? try kohyaMetadata(items) : [LoRAMetadata.key: try adapterMetadata()]
    try WrittenFile.place(at: url, holding: items) { temporary in
      try SafetensorsWriter.write(items, metadata: metadata.merging(own) { $1 }, to: temporary)
    }
  }

  /// What kohya's programs say of rank and alpha, and the digest by which WebUIs know the file.
  private func kohyaMetadata(_ items: [TensorItem]) throws -> [String: String] {
    func range<Value: Comparable & CustomStringConvertible>(_ values: [Value]) -> String {
      Set(values.map(\.description)).count == 1 ? "\(values[0])" : "Dynamic"
    }
    return [
      "ss_network_module": "networks.lora", "ss_network_dim": range(layers.map(\.rank)),
      "ss_network_alpha": range(layers.map(\.alpha)), "sshs_model_hash": try SafetensorsWriter.digest(items),
    ]
  }
}

extension StoredType {
  /// The type of tensors that holds such numbers; Float32 for wider ones.
  fileprivate var floatingPoint: DType {
    switch self {
    case .float16: .float16
    case .bfloat16: .bfloat16
    default: .float32
    }
  }
}
