import Foundation

/// The networks of a run, each in memory once: what generates pictures is what is trained.
public struct TrainingModel {
  /// The folder they come from.
  public let folder: ModelFolder
  /// Everything that makes a picture of a prompt.
  public let pipeline: TextToImage
  /// The trained parts, the UNet first.
  public let parts: [TrainedPart]
  /// Whether the text encoder is among them.
  public let trainsTextEncoder: Bool

  /// Reads a model.
  ///
  /// - Throws: what is wrong with the folder.
  public init(_ folder: ModelFolder, trainTextEncoder: Bool, on backend: any Backend) throws {
    self.folder = folder
    trainsTextEncoder = trainTextEncoder
    let (unet, unetParameters) = try folder.loadUNet(on: backend) { _ in true }
    let (textEncoder, textParameters) = try folder.loadTextEncoder(on: backend) { _ in trainTextEncoder }
    pipeline = TextToImage(
      tokenizer: try folder.loadTokenizer(), textEncoder: textEncoder, unet: unet,
      autoencoder: try folder.loadAutoencoder(on: backend).model, on: backend)
    var parts = [TrainedPart(.unet, unetParameters)]
    if trainTextEncoder { parts.append(TrainedPart(.textEncoder, textParameters)) }
    self.parts = parts
  }

  /// The device.
  public var backend: any Backend { pipeline.backend }

  /// The sampler that the model's folder names.
  ///
  /// - Throws: `SchedulerError` where it is none of ours.
  public func makeScheduler() throws(SchedulerError) -> any Scheduler {
    try folder.schedulerConfiguration.makeScheduler()
  }

  /// The number of timesteps of the noise schedule.
  public var timestepCount: Int { pipeline.unet.timestepCount }

  /// Writes the model as a diffusers folder into a folder that may hold other things, such as a run's checkpoints.
  ///
  /// All parts are complete on the disk before the first takes its place, and `model_index.json`, without which the
  /// folder is no model, comes last.
  ///
  /// - Throws: `FileError`, or why the original folder cannot be read.
  public func save(into destination: URL) throws {
    let staging = destination.appending(path: ".trained-model", directoryHint: .isDirectory)
    let files = FileManager.default
    let trained = Dictionary(uniqueKeysWithValues: parts.map { ($0.part, $0.parameters) })
    try folder.save(to: staging, trained: trained, on: backend)
    do {
      let names = try files.contentsOfDirectory(atPath: staging.path(percentEncoded: false))
      let index = ModelFolder.indexFile
      try remove(destination.appending(path: index))
      for name in names.filter({ $0 != index }) + [index] {
        try remove(destination.appending(path: name))
        try files.moveItem(at: staging.appending(path: name), to: destination.appending(path: name))
      }
      try files.removeItem(at: staging)
    } catch {
      throw FileError(path: destination.path(percentEncoded: false), action: .write, underlying: error)
    }
  }

  private func remove(_ url: URL) throws {
    if FileManager.default.fileExists(atPath: url.path(percentEncoded: false)) {
      try FileManager.default.removeItem(at: url)
    }
  }
}

/// One of the networks that a run trains.
public struct TrainedPart {
  /// Which one it is.
  public let part: ModelPart
  /// Its parameters.
  public let parameters: ParameterStore

  /// A part of a model and its parameters.
  public init(_ part: ModelPart, _ parameters: ParameterStore) {
    self.part = part
    self.parameters = parameters
  }
}
