import Foundation

/// A Stable Diffusion model on the disk: a folder as diffusers writes it, or a single file as the original
/// implementation does.
///
/// Opening reads and checks all configurations; weights and vocabulary are read when they are asked for.
public struct ModelFolder: Sendable {
  /// Where the folder or the file is.
  public let url: URL
  /// The options of the UNet.
  public let unetConfiguration: UNetConfiguration
  /// The options of the text encoder.
  public let textConfiguration: TextConfiguration
  /// The options of the autoencoder.
  public let autoencoderConfiguration: AutoencoderConfiguration
  /// The noise schedule, and the sampler that the model's authors chose.
  public let schedulerConfiguration: SchedulerConfig
  /// The JSON files as they were read, by their paths inside the folder.
  let documents: [String: Data]
  /// The parts that belong to the model and are not used here, such as a safety checker: the names of their folders.
  public let carriedParts: [String]
  /// Where weights and vocabulary come from.
  let contents: Contents

  enum Contents: Sendable {
    /// The folder's files, perhaps in a variant.
    case files(variant: String?)
    /// One file.
    case singleFile(SingleFile)
    /// What several models are merged to.
    case merged(ModelMerge)
    /// Random numbers of a seed, and CLIP's tokenizer with some padding.
    case untrained(seed: UInt64, padding: String)
  }

  /// The file without which a folder is no model.
  public static let indexFile = "model_index.json"
  static let schedulerFile = "scheduler/scheduler_config.json"
  static let tokenizerFolder = "tokenizer"
  /// Hundreds of times what configurations have. Reading JSON takes many times its size in memory.
  static let configurationByteLimit = 1 << 20

  /// Opens a model's folder, or a single file that holds a model.
  ///
  /// What a single file of Stable Diffusion 2 predicts is found out by asking it, unless the options or a file say so;
  /// that takes as long as reading its UNet.
  ///
  /// - Throws: `ModelFolderError`, `ConfigurationError` or `SingleFileError`, which name the file and what is wrong.
  public init(_ url: URL, options: ModelOptions = ModelOptions()) throws {
    if url.isFolder {
      try self.init(
        url, documents: Self.readDocuments(url), contents: .files(variant: options.variant), use: options.use)
    } else if FileManager.default.fileExists(atPath: url.path(percentEncoded: false)) {
      try self.init(SingleFile(url, options: options), use: options.use)
    } else {
      throw ModelFolderError.notFound(path: url.path(percentEncoded: false))
    }
  }

  /// The JSON files of a model's folder, by their paths inside it.
  static func readDocuments(_ url: URL) throws -> [String: Data] {
    guard url.isFolder else { throw ModelFolderError.notFound(path: url.path(percentEncoded: false)) }
    var documents: [String: Data] = [:]
    for file in [Self.indexFile, Self.schedulerFile] + ModelPart.allCases.map(\.configurationFile) {
      documents[file] = try Self.read(url.appending(path: file))
    }
    return documents
  }

  /// A model whose JSON files are at hand.
  init(_ url: URL, documents: [String: Data], contents: Contents, use: ModelOptions.Use = .pictures) throws {
    func document(_ file: String) throws -> (json: Data, file: String) {
      let path = url.appending(path: file).path(percentEncoded: false)
      guard let json = documents[file] else { throw ModelFolderError.missingFile(file: path) }
      return (json, path)
    }
    self.url = url
    self.contents = contents
    let indexDocument = try document(Self.indexFile)
    let index = try ModelIndex(indexDocument.json, file: indexDocument.file, for: use)
    carriedParts = index.optionalParts.filter { url.appending(path: $0).isFolder }
    self.documents = documents.merging([Self.indexFile: try index.json(with: carriedParts)]) { $1 }
    let unet = try document(ModelPart.unet.configurationFile)
    unetConfiguration = try UNetConfiguration(json: unet.json, file: unet.file)
    let text = try document(ModelPart.textEncoder.configurationFile)
    textConfiguration = try TextConfiguration(json: text.json, file: text.file)
    let autoencoder = try document(ModelPart.vae.configurationFile)
    autoencoderConfiguration = try AutoencoderConfiguration(json: autoencoder.json, file: autoencoder.file)
    let scheduler = try document(Self.schedulerFile)
    schedulerConfiguration = try SchedulerConfig(json: scheduler.json, file: scheduler.file)
    try checkFit(for: use)
  }

  private static func read(_ url: URL) throws -> Data {
    let path = url.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path) else { throw ModelFolderError.missingFile(file: path) }
    do {
      return try SmallFile.read(url, byteLimit: configurationByteLimit)
    } catch let error as FileError {
      throw ModelFolderError.unreadable(file: path, reason: error.reason)
    }
  }

  private func checkFit(for use: ModelOptions.Use) throws {
    func misfit(_ reason: String) -> ModelFolderError {
      .mismatch(folder: url.path(percentEncoded: false), reason: reason)
    }
    let width = textConfiguration.hiddenSize
    for expected in unetConfiguration.crossAttentionWidth where expected != width {
      throw misfit("the UNet attends to states of \(expected) numbers, the text encoder's have \(width)")
    }
    let channels = autoencoderConfiguration.latentChannels
    // Besides the latents: those of a picture to be changed, and perhaps a mask.
    let convertible = use == .conversion ? [2 * channels, 2 * channels + 1] : []
    guard ([channels] + convertible).contains(unetConfiguration.inputChannels) else {
      throw misfit(
        "the UNet takes \(unetConfiguration.inputChannels) channels, latents have \(channels); "
          + "models that paint into a picture or enlarge one are not supported")
    }
    guard unetConfiguration.outputChannels == channels else {
      throw misfit("the UNet predicts \(unetConfiguration.outputChannels) channels, latents have \(channels)")
    }
    let (encoded, decoded) = (autoencoderConfiguration.inputChannels, autoencoderConfiguration.outputChannels)
    guard encoded == 3, decoded == 3 else {
      throw misfit("the autoencoder takes \(encoded) and gives \(decoded) channels, pictures have 3")
    }
  }
}

// MARK: - Loading the parts

extension ModelFolder {
  /// Reads the UNet.
  ///
  /// - Parameters:
  ///   - computeType: the floating-point type that the network computes in.
  ///   - masterType: the type of trained weights between steps.
  ///   - gradients: how long gradients are kept.
  ///   - additions: what it gets besides, such as adapters for its layers.
  ///   - trainable: which of its own parameters, by name, get gradients; none unless told otherwise.
  /// - Throws: `ModelFolderError`, `SafetensorsError` or `FileError`.
  public func loadUNet(
    on backend: any Backend, computeType: DType = .float32, masterType: DType = .float32,
    gradients: ParameterStore.GradientKeeping = .arena, additions: [any ModelAddition] = [],
    trainable: @escaping (String) -> Bool = { _ in false }
  ) throws -> (model: UNet2DConditionModel, parameters: ParameterStore) {
    try ParameterStore.build(
      on: backend, trainable: trainable, computeType: computeType, masterType: masterType,
      gradients: gradients, additions: additions, from: weights(of: .unet), makeUNet)
  }

  /// Reads the text encoder.
  ///
  /// - Parameters:
  ///   - computeType: the floating-point type that the network computes in.
  ///   - masterType: the type of trained weights between steps.
  ///   - gradients: how long gradients are kept.
  ///   - additions: what it gets besides, such as adapters for its layers.
  ///   - trainable: which of its own parameters, by name, get gradients; none unless told otherwise.
  /// - Throws: `ModelFolderError`, `SafetensorsError` or `FileError`.
  public func loadTextEncoder(
    on backend: any Backend, computeType: DType = .float32, masterType: DType = .float32,
    gradients: ParameterStore.GradientKeeping = .arena, additions: [any ModelAddition] = [],
    trainable: @escaping (String) -> Bool = { _ in false }
  ) throws -> (model: TextEncoder, parameters: ParameterStore) {
    try ParameterStore.build(
      on: backend, trainable: trainable, computeType: computeType, masterType: masterType,
      gradients: gradients, additions: additions, from: weights(of: .textEncoder), makeTextEncoder)
  }

  /// Reads the autoencoder.
  ///
  /// - Parameters:
  ///   - computeType: the floating-point type that the network computes in.
  ///   - trainable: which parameters, by name, get gradients; none unless told otherwise.
  /// - Throws: `ModelFolderError`, `SafetensorsError` or `FileError`.
  public func loadAutoencoder(
    on backend: any Backend, computeType: DType = .float32, trainable: @escaping (String) -> Bool = { _ in false }
  ) throws -> (model: AutoencoderKL, parameters: ParameterStore) {
    try ParameterStore.build(
      on: backend, trainable: trainable, computeType: computeType, from: weights(of: .vae), makeAutoencoder)
  }

  /// The vectors of some tokens in the text encoder's table.
  ///
  /// - Throws: `ModelFolderError`, or what is wrong with the weights.
  public func tokenVectors(_ ids: [Int]) throws -> [[Float]] {
    let width = textConfiguration.hiddenSize
    let weights = try storedWeights(of: .textEncoder)
    try weights.check(specifications(of: .textEncoder))
    let table = try weights.numbers(TextEncoder.tokenTable)
    return ids.map { Array(table[$0 * width..<($0 + 1) * width]) }
  }

  /// Reads the tokenizer.
  ///
  /// - Throws: `TokenizerError`, or `ModelFolderError` where it does not go with the text encoder.
  public func loadTokenizer() throws -> CLIPTokenizer {
    let tokenizer =
      switch contents {
      case .files: try CLIPTokenizer(contentsOf: url.appending(path: Self.tokenizerFolder))
      case .singleFile(let file): try file.tokenizer()
      case .merged(let merge): try merge.models[0].loadTokenizer()
      case .untrained(_, let padding): try CLIPTokenizer.clip(padding: padding)
      }
    func misfit(_ reason: String) -> ModelFolderError {
      .mismatch(folder: url.path(percentEncoded: false), reason: reason)
    }
    guard tokenizer.vocabularyCount <= textConfiguration.vocabularySize else {
      throw misfit(
        "the tokenizer has \(tokenizer.vocabularyCount) ids, the text encoder \(textConfiguration.vocabularySize)")
    }
    guard tokenizer.maximumLength <= textConfiguration.maximumLength else {
      throw misfit(
        "the tokenizer gives \(tokenizer.maximumLength) ids, the text encoder takes \(textConfiguration.maximumLength)")
    }
    return tokenizer
  }

  /// The parameters that a part calls for, by their names in the files; nothing but the configuration is read.
  public func specifications(of part: ModelPart) throws -> [ParameterSpecification] {
    switch part {
    case .unet: try ParameterStore.specifications(makeUNet)
    case .textEncoder: try ParameterStore.specifications(makeTextEncoder)
    case .vae: try ParameterStore.specifications(makeAutoencoder)
    }
  }

  /// The types that a part's numbers are stored as.
  ///
  /// - Throws: `ModelFolderError` where there are no weights.
  public func storedTypes(of part: ModelPart) throws -> Set<StoredType> {
    switch contents {
    case .files, .singleFile, .merged: try storedWeights(of: part).storedTypes
    case .untrained: [.float32]
    }
  }

  /// Where the numbers of a part come from.
  private func weights(of part: ModelPart) throws -> any ParameterSource {
    switch contents {
    case .files, .singleFile, .merged: return try storedWeights(of: part)
    case .untrained(let seed, _):
      // A seed of its own for each part, so that no two parameters get the same numbers.
      let index = ModelPart.allCases.firstIndex(of: part) ?? 0
      return InitialParameters(seed: seed &+ UInt64(index))
    }
  }

  /// Builds the UNet under a scope.
  package func makeUNet(_ scope: Scope) throws -> UNet2DConditionModel {
    try UNet2DConditionModel(
      scope, unetConfiguration,
      timestepCount: schedulerConfiguration.trainTimestepCount ?? SchedulerConfig.standardTimestepCount)
  }

  /// Builds the text encoder under a scope.
  package func makeTextEncoder(_ scope: Scope) throws -> TextEncoder { try TextEncoder(scope, textConfiguration) }

  /// Builds the autoencoder under a scope.
  package func makeAutoencoder(_ scope: Scope) throws -> AutoencoderKL {
    try AutoencoderKL(scope, autoencoderConfiguration)
  }
}

extension URL {
  /// The paths of all files below this folder, links to files among them, inside it.
  ///
  /// - Throws: `FileError`.
  func files() throws -> [String] {
    let path = path(percentEncoded: false)
    guard let entries = FileManager.default.enumerator(atPath: path) else {
      throw FileError(path: path, action: .read, code: ENOENT)
    }
    return entries.compactMap { $0 as? String }.filter { !appending(path: $0).isFolder }.sorted()
  }

  /// Whether a folder stands there, or a link to one.
  package var isFolder: Bool {
    let path = resolvingSymlinksInPath().path(percentEncoded: false)
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return attributes?[.type] as? FileAttributeType == .typeDirectory
  }
}
