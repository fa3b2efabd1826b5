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

  /// Reads a plan.
  ///
  /// - Throws: when the file is missing or lacks an entry.
  public init(contentsOf url: URL) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(DemonstrationPlan.self, from: Data(contentsOf: url))
  }

  /// The options of the training run.
  func configuration(model: URL, photos: URL, output: URL) -> TrainingConfiguration {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: model.path(percentEncoded: false), instanceDataDir: photos.path(percentEncoded: false),
      instancePrompt: instancePrompt, outputDir: output.appending(path: "model").path(percentEncoded: false))
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
