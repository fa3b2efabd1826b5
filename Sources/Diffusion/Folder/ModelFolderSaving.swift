import Foundation

extension ModelFolder {
  /// Writes a folder that diffusers and other programs open.
  ///
  /// Configurations are written as they were read; parts that were not trained come from this folder. The new folder
  /// takes its place only when it is complete and on the disk: until then, whatever stood there stays.
  ///
  /// - Parameters:
  ///   - destination: where the model goes; may be this folder itself.
  ///   - trained: the parameters of the parts that differ from this folder's; additions are not written.
  ///   - loras: what is added to the weights of the other parts.
  ///   - tokenizer: the tokenizer to write; this folder's own if left out.
  ///   - dtype: the type of the numbers, float32 or float16.
  ///   - backend: where numbers are converted.
  /// - Throws: `ModelFolderError.wouldRemove` where the destination holds anything but a model; otherwise `FileError`,
  ///   `LoRAError` where an addition does not go with the model, or why this folder cannot be read.
  public func save(
    to destination: URL, trained: [ModelPart: ParameterStore] = [:], loras: [ScaledLoRA] = [],
    tokenizer: CLIPTokenizer? = nil, dtype: DType = .float32, on backend: any Backend
  ) throws {
    try loras.requireFit(self)
    var contents = ModelFolderContents(
      documents: documents, tokenizer: try tokenizer ?? loadTokenizer(), weights: [:])
    for part in ModelPart.allCases {
      contents.weights[part] = {
        try trained[part].map { items(of: $0, dtype) } ?? storedItems(of: part, loras, dtype, on: backend)
      }
    }
    try contents.write(to: destination)
  }

  /// The items of a part that was trained.
  func items(of store: ParameterStore, _ dtype: DType) -> [TensorItem] {
    store.parameters.filter { $0.specification.addition == nil }.map { parameter in
      TensorItem(parameter.name, parameter.specification.shape, dtype) { store.pytorch(parameter) }
    }
  }

  /// The items of a part as this folder has it, with additions.
  private func storedItems(
    of part: ModelPart, _ loras: [ScaledLoRA], _ dtype: DType, on backend: any Backend
  ) throws -> [TensorItem] {
    let weights = try StoredWeights(part, in: url)
    let specifications = try specifications(of: part)
    try weights.check(specifications)
    return specifications.map { specification in
      TensorItem(specification.name, specification.shape, dtype) {
        let weight = Tensor(try weights.numbers(specification.name), specification.shape, on: backend)
        return loras.merged(into: weight, specification.name, of: part)
      }
    }
  }
}

/// Everything that a model's folder is made of.
struct ModelFolderContents {
  /// The JSON files by their paths inside the folder.
  var documents: [String: Data]
  var tokenizer: CLIPTokenizer
  /// The tensors of each part, made only when their file is written, so that one part at a time is in memory.
  var weights: [ModelPart: () throws -> [TensorItem]]

  /// The files of a tokenizer.
  static let tokenizerFiles = [
    "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
  ]

  /// Writes the folder beside `destination` and puts it there when it is complete.
  func write(to destination: URL) throws {
    try refuseToRemove(destination)
    try AtomicFolder.write(to: destination) { folder in
      for (path, data) in documents {
        let file = folder.appending(path: path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        var atomic = try AtomicFile(path: file.path(percentEncoded: false))
        try atomic.append([UInt8](data))
        try atomic.commit()
      }
      try tokenizer.save(to: folder.appending(path: ModelFolder.tokenizerFolder))
      for part in ModelPart.allCases {
        if let items = try weights[part]?() {
          try SafetensorsWriter.write(items, to: folder.appending(path: part.weightsFile))
        }
      }
    }
  }

  /// Lets a folder be replaced only if everything in it is what would be written again.
  private func refuseToRemove(_ destination: URL) throws {
    let path = destination.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path) else { return }
    guard destination.isFolder, let contents = FileManager.default.enumerator(atPath: path) else {
      throw ModelFolderError.wouldRemove(entry: path)
    }
    let files =
      Array(documents.keys) + weights.keys.map(\.weightsFile)
      + Self.tokenizerFiles.map { "\(ModelFolder.tokenizerFolder)/\($0)" }
    let folders = files.map { $0.split(separator: "/").dropLast().joined(separator: "/") }
    let known = Set(files + folders)
    for case let entry as String in contents where !known.contains(entry) {
      throw ModelFolderError.wouldRemove(entry: destination.appending(path: entry).path(percentEncoded: false))
    }
  }
}
