import Foundation

/// Everything about a run that is not a tensor.
///
/// Random numbers need no state of their own: they follow from the seed and the step.
public struct RunState: Sendable, Hashable, Codable {
  /// The optimiser steps that have been taken.
  public var step: Int
  /// The options of the run, with the seed it drew if none was given.
  public var configuration: TrainingConfiguration
  /// The names of the instance pictures, on whose number and order the batches depend.
  public var instanceImages: [String]
  /// The names of the class pictures.
  public var classImages: [String]

  /// The state of a run.
  public init(
    step: Int, configuration: TrainingConfiguration, instanceImages: [String], classImages: [String] = []
  ) {
    self.step = step
    self.configuration = configuration
    self.instanceImages = instanceImages
    self.classImages = classImages
  }

  /// Reads a state that this or an earlier version has written.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      step: try values.decode(Int.self, forKey: .step),
      configuration: try values.decode(StoredConfiguration.self, forKey: .configuration).configuration,
      instanceImages: try values.decode([String].self, forKey: .instanceImages),
      classImages: try values.decode([String].self, forKey: .classImages))
  }

  enum CodingKeys: String, CodingKey {
    case step, configuration
    case instanceImages = "instance_images"
    case classImages = "class_images"
  }
}

extension RunState {
  /// Options that may be others after a resume: they decide where things are and what is shown, or how a step is computed
  /// but not what.
  static let resumableOptions: Set<TrainingConfiguration.CodingKeys> = [
    .pretrainedModelNameOrPath, .variant, .config, .instanceDataDir, .classDataDir, .outputDir, .numClassImages,
    .sampleBatchSize,
    .classInferenceSteps, .gradientCheckpointing, .mixedPrecision, .fullBf16, .fusedBackwardPass, .checkpointingSteps,
    .checkpointsTotalLimit,
    .resumeFromCheckpoint, .validationPrompt, .numValidationImages, .validationSteps,
    .validationInferenceSteps, .scheduler, .guidanceScale,
  ]

  /// Those that decide how far a run goes, on which some learning rate curves depend from the first step on.
  static let lengthOptions: Set<TrainingConfiguration.CodingKeys> = [.numTrainEpochs, .maxTrainSteps]

  /// The options on which this state and a configuration disagree though a resumed run needs them to be equal.
  ///
  /// A configuration without a seed agrees with every seed.
  func conflicts(with other: TrainingConfiguration) throws -> [TrainingConfiguration.CodingKeys] {
    var other = other
    other.seed = other.seed ?? configuration.seed
    let mine = try OptionValue.options(of: configuration)
    let theirs = try OptionValue.options(of: other)
    var ignored = RunState.resumableOptions
    if !configuration.lrScheduler.dependsOnLength {
      ignored.formUnion(RunState.lengthOptions)
    } else if configuration.maxTrainSteps != nil && other.maxTrainSteps != nil {
      ignored.insert(.numTrainEpochs)
    }
    return TrainingConfiguration.CodingKeys.allCases.filter { option in
      !ignored.contains(option) && mine[option.rawValue] != theirs[option.rawValue]
    }
  }

}
