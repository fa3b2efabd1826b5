import Foundation

/// What a demonstration trains and draws: the file `demo.json` beside the photos.
public struct DemonstrationPlan: Sendable, Codable {
  /// The prompt of the photos, with the identifier of the subject.
  public let instancePrompt: String
  /// The prompt of the class pictures.
  public let classPrompt: String
  /// The prompts that show the subject where no photo did; one picture of each before and one after.
  public let subjectPrompts: [String]
  /// The prompts that show other members of the class after training.
  public let classPrompts: [String]
  /// The side of the pictures in pixels.
  public let resolution: Int
  /// How many class pictures are generated.
  public let classImages: Int
  /// The optimiser steps.
  public let steps: Int
  /// The photos in one batch.
  public let batchSize: Int
  /// The learning rate of the first step; it falls to zero along half a cosine, for the noise of single steps at a full
  /// rate would stay in so small a model.
  public let learningRate: Double
  /// The factor on the loss of the class pictures.
  public let priorLossWeight: Float
  /// Whether the text encoder is trained too.
  public let trainTextEncoder: Bool
  /// The denoising steps of every picture.
  public let inferenceSteps: Int
  /// The strength of guidance for every picture.
  public let guidanceScale: Float
  /// What all random numbers derive from.
  public let seed: UInt64

  /// Where the class pictures go, inside the output folder.
  static let classFolder = "class-images"
  /// Where the trained model goes, inside the output folder.
  static let modelFolder = "model"

  /// Reads a plan.
  ///
  /// - Throws: `DemonstrationPlanError`, or `FileError` where the file cannot be read.
  public init(contentsOf url: URL) throws {
    let path = url.path(percentEncoded: false)
    let text: Data
    do {
      text = try Data(contentsOf: url)
    } catch {
      throw FileError(path: path, action: .read, underlying: error)
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      self = try decoder.decode(DemonstrationPlan.self, from: text)
    } catch let error as DecodingError {
      throw DemonstrationPlanError(path: path, reason: error.reason)
    }
  }

  /// The options of the training run; one that was interrupted goes on from its last checkpoint.
  func configuration(model: URL, photos: URL, output: URL) throws -> TrainingConfiguration {
    let trained = output.appending(path: Self.modelFolder)
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: model.path(percentEncoded: false), instanceDataDir: photos.path(percentEncoded: false),
      instancePrompt: instancePrompt, outputDir: trained.path(percentEncoded: false))
    configuration.resumeFromCheckpoint = try CheckpointFolder(trained).steps().isEmpty ? nil : "latest"
    configuration.seed = seed
    configuration.resolution = resolution
    configuration.withPriorPreservation = true
    configuration.classDataDir = output.appending(path: Self.classFolder).path(percentEncoded: false)
    configuration.classPrompt = classPrompt
    configuration.priorLossWeight = priorLossWeight
    configuration.numClassImages = classImages
    configuration.classInferenceSteps = inferenceSteps
    configuration.guidanceScale = guidanceScale
    configuration.trainTextEncoder = trainTextEncoder
    configuration.trainBatchSize = batchSize
    configuration.maxTrainSteps = steps
    configuration.checkpointingSteps = steps + 1
    configuration.learningRate = learningRate
    configuration.lrScheduler = .cosine
    return configuration
  }
}

/// A `demo.json` that is no plan.
public struct DemonstrationPlanError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let reason: String

  /// One sentence that says what to do.
  public var description: String { "\(path) is no plan of a demonstration (\(reason)); restore the project's own" }
}
