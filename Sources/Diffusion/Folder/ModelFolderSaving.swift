import Foundation

extension ModelFolder {
  /// Writes a folder that diffusers and other programs open.
  ///
  /// Configurations are written as they were read; parts that were not trained come from this model, and parts that are
  /// not used here are copied. The new folder takes its place only when it is complete and on the disk: until then,
  /// whatever stood there stays.
  ///
  /// - Parameters:
  ///   - destination: where the model goes; may be this folder itself.
  ///   - trained: the parameters of the parts that differ from this model's; additions are not written.
  ///   - loras: what is added to the weights of the other parts.
  ///   - tokenizer: the tokenizer to write; this model's own if left out.
  ///   - dtype: the type of the numbers, float32, float16 or bfloat16; if nil, that in which they are stored.
  ///   - isChecked: whether the weights are read back and compared before the new folder takes its place.
  ///   - backend: where additions are computed.
  ///   - progress: told how far it is; what it throws ends the writing and leaves what stood there.
  /// - Throws: `ModelFolderError.wouldRemove` where the destination holds anything but a model; otherwise `FileError`,
  ///   `LoRAError` where an addition does not go with the model, `WrittenFileError`, or why this model cannot be read.
  public func save(
    to destination: URL, trained: [ModelPart: ParameterStore] = [:], loras: [ScaledLoRA] = [],
    tokenizer: CLIPTokenizer? = nil, dtype: DType? = .float32, isChecked: Bool = false,
    on backend: any Backend = CPUBackend(), progress: @escaping (WritingProgress) throws -> Void = { _ in }
  ) throws {
    try loras.requireFit(self)
    var contents = ModelFolderContents(
      documents: documents, tokenizer: try tokenizer ?? loadTokenizer(), weights: [:],
      carried: carriedParts.map { url.appending(path: $0, directoryHint: .isDirectory) })
    for part in ModelPart.allCases {
      contents.weights[part] = {
        try trained[part].map { items(of: $0, dtype ?? .float32) } ?? storedItems(of: part, loras, dtype, on: backend)
      }
    }
    let total = try ModelPart.allCases.reduce(0) { bytes, part in
      try (contents.weights[part]?() ?? []).reduce(bytes) { $0 + $1.byteCount }
    }
    let report = WritingProgressReport(total: total, isCompared: isChecked, progress)
    try contents.write(to: destination, isChecked: isChecked, report: report)
  }

  /// The items of a part that was trained.
  func items(of store: ParameterStore, _ dtype: DType) -> [TensorItem] {
    store.parameters.filter { $0.specification.addition == nil }.map { parameter in
      TensorItem(parameter.name, parameter.specification.shape, dtype) { store.pytorch(parameter) }
    }
  }

  /// The items of a part as this model has it, with additions.
  private func storedItems(
    of part: ModelPart, _ loras: [ScaledLoRA], _ dtype: DType?, on backend: any Backend
  ) throws -> [TensorItem] {
    let stored = try tensors(of: part, as: dtype)
    guard !loras.isEmpty else { return stored }
    return try zip(stored, tensors(of: part)).map { written, read in
      TensorItem(read.name, read.shape, DType(written.dtype) ?? .float32) {
        loras.merged(into: Tensor(try read.floats(), read.shape, on: backend), read.name, of: part)
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
  /// Folders that are copied as they are, under their own names.
  var carried: [URL] = []

  /// The files of a tokenizer.
  static let tokenizerFiles = [
    "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
  ]

  /// Writes the folder beside `destination` and puts it there when it is complete.
  ///
  /// - Parameters:
  ///   - isChecked: whether the weights are read back and compared before.
  ///   - report: told of each tensor when it has been written or compared.
  func write(to destination: URL, isChecked: Bool = false, report: WritingProgressReport? = nil) throws {
    try refuseToRemove(destination)
    try AtomicFolder.write(to: destination) { folder in
      for (path, data) in documents {
        let file = folder.appending(path: path)
        try AtomicFolder.makeIfMissing(file.deletingLastPathComponent())
        try AtomicFile.write([UInt8](data), to: file)
      }
      for (source, path) in try carriedFiles() {
        let copy = folder.appending(path: path)
        try AtomicFolder.makeIfMissing(copy.deletingLastPathComponent())
        try AtomicFile.copy(source, to: copy)
      }
      try tokenizer.save(to: folder.appending(path: ModelFolder.tokenizerFolder))
      for part in ModelPart.allCases {
        if let items = try weights[part]?() {
          let file = folder.appending(path: part.weightsFile)
          try SafetensorsWriter.write(items.map { $0.reporting { try report?.addWritten($0) } }, to: file)
          if isChecked { try WrittenFile.check(file, holds: items) { try report?.addCompared($0) } }
        }
      }
    }
  }

  /// Every file of the folders that are copied, and its path in the new folder.
  private func carriedFiles() throws -> [(source: URL, path: String)] {
    try carried.flatMap { folder in
      try folder.files().map { (folder.appending(path: $0), "\(folder.lastPathComponent)/\($0)") }
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
      + Self.tokenizerFiles.map { "\(ModelFolder.tokenizerFolder)/\($0)" } + (try carriedFiles().map(\.path))
    let folders = files.flatMap { file in
      let parts = file.split(separator: "/")
      return (1..<parts.count).map { parts.prefix($0).joined(separator: "/") }
    }
    let known = Set(files + folders)
    for case let entry as String in contents where !known.contains(entry) {
      throw ModelFolderError.wouldRemove(entry: destination.appending(path: entry).path(percentEncoded: false))
    }
  }
}
