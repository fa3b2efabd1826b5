import Foundation

/// The networks of a run, each in memory once: what generates pictures is what is trained.
public struct TrainingModel {
  /// The folder they come from.
  public let folder: ModelFolder
  /// Everything that makes a picture of a prompt.
  public let pipeline: TextToImage
  /// The trained parts, the UNet first.
  public let parts: [TrainedPart]
  /// Whether what the text encoder makes of a prompt changes from step to step.
  public let trainsTextStates: Bool
  /// The number of the batch that is trained on, one Int32 on the device; the first is 0.
  let batchNumber: Tensor
  private let configuration: TrainingConfiguration

  /// Reads a model for a run.
  ///
  /// - Parameter recordsSteps: whether the device records the work of a step and replays it.
  /// - Throws: what is wrong with the folder, or `TrainingOptionError` where the options do not go with it.
  public init(
    _ folder: ModelFolder, _ configuration: TrainingConfiguration, on backend: any Backend, recordsSteps: Bool = true
  ) throws {
    try configuration.requireTrainable(folder)
    self.folder = folder
    self.configuration = configuration
    trainsTextStates = configuration.trainsTextStates
    let number = Tensor([Int32(0)], [], on: backend)
    batchNumber = number
    var tokenizer = try folder.loadTokenizer()
    let newTokens = try configuration.initialWords(of: folder, tokenizer).newTokens(
      in: &tokenizer, isTrained: true, width: folder.textConfiguration.hiddenSize)
    let (computeType, masterType) = (configuration.mixedPrecision.computeType, configuration.masterType)
    let (unet, unetParameters) = try folder.loadUNet(
      on: backend, computeType: computeType, masterType: masterType, gradients: configuration.gradientKeeping,
      additions: configuration.additions(to: .unet, batchNumber: number)
    ) { _ in configuration.trainsWeights(of: .unet) }
    let (textEncoder, textParameters) = try folder.loadTextEncoder(
      on: backend, computeType: computeType, masterType: masterType, gradients: configuration.gradientKeeping,
      additions: configuration.additions(to: .textEncoder, newTokens, batchNumber: number)
    ) { _ in configuration.trainsWeights(of: .textEncoder) }
    pipeline = TextToImage(
      tokenizer: tokenizer, textEncoder: textEncoder, unet: unet,
      autoencoder: try folder.loadAutoencoder(on: backend, computeType: computeType).model, on: backend,
      recordsSteps: recordsSteps)
    parts = [TrainedPart(.unet, unetParameters), TrainedPart(.textEncoder, textParameters)]
      .filter { !$0.parameters.trainable.isEmpty }
  }

  /// The device.
  public var backend: any Backend { pipeline.backend }

  /// What is trained.
  var networks: TrainingSession.Networks {
    TrainingSession.Networks(
      unet: pipeline.unet, scheduler: folder.schedulerConfiguration, trained: parts.map(\.parameters))
  }

  /// The bytes of what a run ends with, all numbers being stored as Float32, and some room for headers and vocabulary.
  ///
  /// - Throws: what is wrong with the folder's configurations.
  func savedByteCount() throws -> Int {
    guard configuration.trainsOwnWeights else {
      return parts.reduce(1 << 20) { $0 + $1.numberCount * MemoryLayout<Float>.size }
    }
    return try ModelPart.allCases.reduce((1 << 23) + folder.carriedByteCount()) { bytes, part in
      let numbers = try folder.specifications(of: part).reduce(0) { $0 + $1.shape.count }
      return bytes + numbers * MemoryLayout<Float>.size
    }
  }

  /// The named sampler, or the one that the model's folder names.
  ///
  /// - Throws: `SchedulerError` where it is none of ours.
  func makeScheduler(named name: SamplerName?) throws(SchedulerError) -> any Scheduler {
    try folder.schedulerConfiguration.makeScheduler(named: name)
  }

  /// The number of timesteps of the noise schedule.
  public var timestepCount: Int { pipeline.unet.timestepCount }

  /// Writes what was trained into a folder that may hold other things, such as a run's checkpoints: a LoRA and new words
  /// as files in diffusers' layouts, a model as a diffusers folder.
  ///
  /// All parts are complete on the disk before the first is exchanged for an older one, so the folder is a model at
  /// every moment. `model_index.json`, without which it is none, comes last where there was no model before.
  ///
  /// - Returns: the file where there is one alone, or the folder.
  /// - Throws: `ModelFolderError.wouldRemove` where a part's place holds something else, `FileError`, or why the
  ///   original folder cannot be read.
  @discardableResult
  public func save(into destination: URL) throws -> URL {
    let files = try AdditionFiles.write(parts, configuration, into: destination)
    guard configuration.trainsOwnWeights else { return files.count == 1 ? files[0] : destination }
    try TrainingModel.requireReplaceable(destination, by: folder)
    let staging = destination.appending(path: ".trained-model", directoryHint: .isDirectory)
    let trained = Dictionary(uniqueKeysWithValues: parts.map { ($0.part, $0.parameters) })
    try folder.save(to: staging, trained: trained)
    for name in try TrainingModel.entries(of: folder) {
      try AtomicFolder.replace(destination.appending(path: name), with: staging.appending(path: name))
    }
    do {
      try FileManager.default.removeItem(at: staging)
    } catch {
      throw FileError(path: staging.path(percentEncoded: false), action: .write, underlying: error)
    }
    return destination
  }

  /// Makes sure that saving a model into a folder would delete nothing but an older model.
  ///
  /// - Throws: `ModelFolderError.wouldRemove`.
  static func requireReplaceable(_ destination: URL, by folder: ModelFolder) throws {
    let files = FileManager.default
    let savedFiles = try folder.savedFiles()
    for name in try entries(of: folder) {
      let path = destination.appending(path: name).path(percentEncoded: false)
      // Not followed if it is a link: what it leads to belongs to somebody else. No attributes mean that nothing stands
      // there, or nothing that could be replaced, which the write will then tell.
      guard let attributes = try? files.attributesOfItem(atPath: path) else { continue }
      let isFile = savedFiles.contains(name)
      guard attributes[.type] as? FileAttributeType == (isFile ? .typeRegular : .typeDirectory) else {
        throw ModelFolderError.wouldRemove(entry: path)
      }
      guard !isFile, let contents = files.enumerator(atPath: path) else { continue }
      for case let entry as String in contents where !savedFiles.contains("\(name)/\(entry)") {
        throw ModelFolderError.wouldRemove(entry: "\(path)/\(entry)")
      }
    }
  }

  /// The files and folders at the top of a model's folder, the index last.
  private static func entries(of folder: ModelFolder) throws -> [String] {
    let names = Set(try folder.savedFiles().compactMap { $0.split(separator: "/").first.map(String.init) })
    return names.subtracting([ModelFolder.indexFile]).sorted() + [ModelFolder.indexFile]
  }
}

/// One of the networks that a run trains.
public struct TrainedPart {
  /// Which one it is.
  public let part: ModelPart
  /// Its parameters.
  public let parameters: ParameterStore

  /// The number of numbers that are trained.
  var numberCount: Int { parameters.trainable.reduce(0) { $0 + $1.specification.shape.count } }

  /// The file of a checkpoint that holds them: the part's own where its own weights are trained.
  var weightsFile: String { hasAdditions ? "\(part.folder)/trained.safetensors" : part.weightsFile }

  /// Whether there is more among them than the part's own weights.
  var hasAdditions: Bool { parameters.trainable.contains { $0.specification.addition != nil } }

  /// A part of a model and its parameters.
  public init(_ part: ModelPart, _ parameters: ParameterStore) {
    self.part = part
    self.parameters = parameters
  }
}
