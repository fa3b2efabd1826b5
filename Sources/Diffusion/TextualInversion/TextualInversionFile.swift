import Foundation

/// The forms in which programs keep the vectors of a word.
public enum TextualInversionLayout: String, Sendable, CaseIterable {
  /// diffusers: a safetensors file whose tensor is named as the word.
  case diffusers
  /// AUTOMATIC1111: a file of PyTorch that holds the word and the vectors as `string_to_param`.
  case automatic1111
  /// kohya's programs, AUTOMATIC1111 and ComfyUI: a safetensors file named as the word, with a tensor `emb_params`.
  case kohya
}

extension TextualInversion {
  /// The name that diffusers gives a word's file in a folder.
  public static let fileName = "learned_embeds.safetensors"

  private static let kohyaName = "emb_params"
  /// The token that AUTOMATIC1111's vectors stand for in their own file, and its id.
  private static let placeholder = (name: "*", id: 265)

  /// Reads the vectors of a word in any form, from a safetensors file or one of PyTorch's.
  ///
  /// Where a file does not say which word it holds, it is the file's own name.
  ///
  /// - Throws: `TextualInversionError`, or what is wrong with the file.
  public init(contentsOf url: URL) throws {
    let file = try TensorFileFormat.open(url)
    func refusal(_ reason: String) -> TextualInversionError { .notVectors(file: file.path, reason: reason) }
    let ownName = url.deletingPathExtension().lastPathComponent
    if file.names.contains(where: { ["clip_l", "clip_g"].contains($0) }) {
      throw refusal("its vectors are for the two text encoders of SDXL")
    }
    guard file.names.count == 1, let name = file.names.first else {
      throw refusal("it has \(file.names.count) tensors where one is expected")
    }
    let stored = try file.entry(name)
    let isNamedInside = file.root["string_to_param"] != nil
    let word = isNamedInside ? file.root["name"]?.string ?? ownName : name == Self.kohyaName ? ownName : name
    guard [1, 2].contains(stored.shape.rank), stored.shape.count > 0, let vectors = stored.floats() else {
      throw refusal("'\(word)' is a tensor \(stored.shape) of \(stored.dtype.rawValue) instead of vectors")
    }
    let half: [StoredType: DType] = [.float16: .float16, .bfloat16: .bfloat16]
    self.init(
      word, count: stored.shape.rank == 2 ? stored.shape[0] : 1, vectors: vectors, dtype: half[stored.dtype] ?? .float32
    )
  }

  /// Writes a file that programs of the given kind read, and compares what was written.
  ///
  /// - Parameter backend: where numbers are converted.
  /// - Throws: `FileError`, `WrittenFileError`; a file that stood there before is then unharmed.
  public func write(to url: URL, _ layout: TextualInversionLayout, on backend: any Backend) throws {
    let (placeholder, id) = Self.placeholder
    let name =
      switch layout {
      case .diffusers: word
      case .kohya: Self.kohyaName
      case .automatic1111: placeholder
      }
    let shape: Shape = [count, width]
    let item = TensorItem(name, shape, dtype) { Tensor(vectors, shape, on: backend) }
    try WrittenFile.place(at: url, holding: [item]) { temporary in
      guard layout == .automatic1111 else { return try SafetensorsWriter.write([item], to: temporary) }
      try TorchWriter.write(
        [
          "string_to_token": .dictionary([(key: placeholder, value: .integer(id))]),
          "string_to_param": .tensors([item]), "name": .string(word), "step": 0, "sd_checkpoint": nil,
          "sd_checkpoint_name": nil,
        ], to: temporary)
    }
  }
}
