import Foundation

extension ModelFolder {
  /// Writes a model of this one's shape whose weights are random, as PyTorch initialises them.
  ///
  /// - Parameters:
  ///   - destination: where the model goes.
  ///   - seed: equal seeds give equal models.
  ///   - dtype: the type of the numbers, float32 or float16.
  ///   - backend: where the numbers are made.
  ///   - progress: told how far it is; what it throws ends the writing and leaves what stood there.
  /// - Throws: as `save` does.
  public func saveUntrained(
    to destination: URL, seed: UInt64, dtype: DType = .float32, on backend: any Backend,
    progress: @escaping (WritingProgress) throws -> Void = { _ in }
  ) throws {
    // One source for all parts, so that no two parameters get the same numbers.
    let source = InitialParameters(seed: seed)
    func build<Model>(_ make: (Scope) throws -> Model) throws -> [TensorItem] {
      items(of: try ParameterStore.build(on: backend, trainable: { _ in false }, from: source, make).parameters, dtype)
    }
    let total = try ModelPart.allCases.flatMap(specifications).reduce(0) { $0 + $1.shape.count * dtype.byteCount }
    try ModelFolderContents(
      documents: documents, tokenizer: loadTokenizer(),
      weights: [
        .unet: { try build(makeUNet) }, .textEncoder: { try build(makeTextEncoder) },
        .vae: { try build(makeAutoencoder) },
      ]
    ).write(to: destination, report: WritingProgressReport(total: total, isCompared: false, progress))
  }
}

extension StandardModel {
  /// Writes a model of this shape whose weights are random, as PyTorch initialises them, with CLIP's tokenizer.
  ///
  /// - Parameters:
  ///   - destination: where the model goes.
  ///   - seed: equal seeds give equal models.
  ///   - dtype: the type of the numbers, float32 or float16.
  ///   - backend: where the numbers are made.
  ///   - progress: told how far it is; what it throws ends the writing and leaves what stood there.
  /// - Throws: as `ModelFolder.save` does.
  public func saveUntrained(
    to destination: URL, seed: UInt64, dtype: DType = .float32, on backend: any Backend,
    progress: @escaping (WritingProgress) throws -> Void = { _ in }
  ) throws {
    try ModelFolder(destination, documents: documents, contents: .untrained(seed: seed, padding: paddingToken))
      .saveUntrained(to: destination, seed: seed, dtype: dtype, on: backend, progress: progress)
  }

  /// A model of this shape whose weights are random, as PyTorch initialises them, with CLIP's tokenizer; it stands in
  /// no folder, and its parts are made when they are loaded.
  ///
  /// - Parameter seed: equal seeds give equal models.
  /// - Throws: nothing but what is wrong with this package.
  public func untrained(seed: UInt64 = 0) throws -> ModelFolder {
    try ModelFolder(
      URL(filePath: rawValue, directoryHint: .isDirectory), documents: documents,
      contents: .untrained(seed: seed, padding: paddingToken))
  }
}
