import Foundation

/// An option of a training run that has an impossible value, or does not go with the others.
public struct TrainingOptionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The option.
  public let option: TrainingConfiguration.CodingKeys
  /// What is wrong with it and what to do.
  public let problem: String

  /// A problem with one option.
  public init(_ option: TrainingConfiguration.CodingKeys, _ problem: String) {
    self.option = option
    self.problem = problem
  }

  /// One sentence that names the flag.
  public var description: String { "--\(option.rawValue) \(problem)" }
}

extension TrainingConfiguration {
  /// Refuses values with which no run could succeed.
  ///
  /// What depends on files, such as the size of the model, is checked when they are read.
  public func validate() throws(TrainingOptionError) {
    try requireText()
    try requireCounts()
    try requireSeparateFolders()
    try requirePriorPreservation()
    try requireOptimizer()
    try requireWhatIsTrained()
    try requireLearningRateSchedule()
  }

  /// Refuses a choice of what is trained, and of how memory is saved, that no run could have.
  public func requireWhatIsTrained() throws(TrainingOptionError) {
    try requireMemorySavings()
    try lora?.validate()
    try requireWords()
    if !trainUnet && !trainTextEncoder && placeholderToken == nil {
      throw TrainingOptionError(
        .trainUnet, "is off and nothing else is trained; give --train_text_encoder or --placeholder_token")
    }
  }

  private func requireText() throws(TrainingOptionError) {
    let texts: [(CodingKeys, String)] = [
      (.pretrainedModelNameOrPath, pretrainedModelNameOrPath), (.instanceDataDir, instanceDataDir),
      (.instancePrompt, instancePrompt), (.outputDir, outputDir),
    ]
    for (option, text) in texts where text.isEmpty { throw TrainingOptionError(option, "is missing or empty") }
  }

  private static func isSameFolder(_ one: String, _ other: String) -> Bool {
    func path(_ path: String) -> String {
      let resolved = URL(filePath: path, directoryHint: .isDirectory).resolvingSymlinksInPath()
      return resolved.standardizedFileURL.path(percentEncoded: false)
    }
    return path(one) == path(other)
  }

  /// The greatest number of optimiser steps, of pictures and of whatever else is counted.
  private static let greatestCount = 1 << 20
  /// The most pictures in a batch, and batches in a step: batches are numbered in 31 bits.
  private static let greatestBatch = 1 << 10
  /// The greatest side of a picture.
  private static let greatestSide = 1 << 13
  /// The greatest distance between two checkpoints or samples, so great that there are none.
  private static let greatestInterval = Int(Int32.max)

  private func requireCounts() throws(TrainingOptionError) {
    let (count, batch, interval) = (Self.greatestCount, Self.greatestBatch, Self.greatestInterval)
    let counts: [(option: CodingKeys, value: Int?, greatest: Int)] = [
      (.resolution, resolution, Self.greatestSide), (.numClassImages, numClassImages, count),
      (.sampleBatchSize, sampleBatchSize, batch), (.classInferenceSteps, classInferenceSteps, count),
      (.trainBatchSize, trainBatchSize, batch), (.numTrainEpochs, numTrainEpochs, count),
      (.maxTrainSteps, maxTrainSteps, count), (.gradientAccumulationSteps, gradientAccumulationSteps, batch),
      (.lrNumCycles, lrNumCycles, count), (.checkpointingSteps, checkpointingSteps, interval),
      (.checkpointsTotalLimit, checkpointsTotalLimit, interval), (.numValidationImages, numValidationImages, count),
      (.validationSteps, validationSteps, interval), (.validationInferenceSteps, validationInferenceSteps, count),
    ]
    for (option, value, greatest) in counts {
      guard let value else { continue }
      if value < 1 { throw TrainingOptionError(option, "is \(value) and must be at least 1") }
      if value > greatest { throw TrainingOptionError(option, "is \(value) and must be at most \(greatest)") }
    }
  }

  /// Makes sure that a device has the type that the networks are to compute in.
  func requireComputeType(on backend: any Backend) throws(TrainingOptionError) {
    let choices = MixedPrecision.allCases.filter { backend.computeTypes.contains($0.computeType) }
    guard choices.contains(mixedPrecision) else {
      let list = choices.map(\.rawValue).joined(separator: " or ")
      throw TrainingOptionError(
        .mixedPrecision, "is \(mixedPrecision.rawValue), in which \(backend.name) does not compute; it takes \(list)")
    }
  }

  /// Makes sure that the epochs of a run do not add up to more steps than can be counted.
  func requireStepCount(_ stepCount: Int) throws(TrainingOptionError) {
    if stepCount > Self.greatestCount {
      throw TrainingOptionError(
        .numTrainEpochs, "makes \(stepCount) steps, but at most \(Self.greatestCount) are possible; lower it")
    }
  }

  /// Pictures that were generated, and models that were trained, must not mix with what the user has put somewhere.
  private func requireSeparateFolders() throws(TrainingOptionError) {
    if withPriorPreservation, let classDataDir, TrainingConfiguration.isSameFolder(classDataDir, instanceDataDir) {
      throw TrainingOptionError(.classDataDir, "is the folder of --instance_data_dir; class images need their own")
    }
    let inputs: [(CodingKeys, String?)] = [
      (.pretrainedModelNameOrPath, pretrainedModelNameOrPath), (.instanceDataDir, instanceDataDir),
      (.classDataDir, withPriorPreservation ? classDataDir : nil),
    ]
    for case (let option, let path?) in inputs where TrainingConfiguration.isSameFolder(outputDir, path) {
      throw TrainingOptionError(.outputDir, "is the folder of --\(option.rawValue); choose another, which may be new")
    }
  }

  private func requirePriorPreservation() throws(TrainingOptionError) {
    guard withPriorPreservation else { return }
    if (classDataDir ?? "").isEmpty {
      throw TrainingOptionError(.classDataDir, "is needed by --with_prior_preservation: give a folder for class images")
    }
    if (classPrompt ?? "").isEmpty {
      throw TrainingOptionError(
        .classPrompt, "is needed by --with_prior_preservation: for example \"a photo of a dog\"")
    }
    if !(priorLossWeight >= 0 && priorLossWeight.isFinite) {
      throw TrainingOptionError(.priorLossWeight, "is \(priorLossWeight) and must be a number from 0 on")
    }
  }

  private func requireOptimizer() throws(TrainingOptionError) {
    if !(learningRate > 0 && learningRate.isFinite) {
      throw TrainingOptionError(.learningRate, "is \(learningRate) and must be a number above 0")
    }
    let decays: [(CodingKeys, Double)] = [(.adamBeta1, adamBeta1), (.adamBeta2, adamBeta2)]
    for (option, decay) in decays where !(decay >= 0 && decay < 1) {
      throw TrainingOptionError(option, "is \(decay) and must be from 0 to below 1")
    }
    if !(adamWeightDecay >= 0 && adamWeightDecay.isFinite) {
      throw TrainingOptionError(.adamWeightDecay, "is \(adamWeightDecay) and must be a number from 0 on")
    }
    if !(adamEpsilon > 0 && adamEpsilon.isFinite) {
      throw TrainingOptionError(.adamEpsilon, "is \(adamEpsilon) and must be a number above 0")
    }
    if !(maxGradNorm > 0) {
      throw TrainingOptionError(.maxGradNorm, "is \(maxGradNorm) and must be above 0; inf turns clipping off")
    }
    if let snrGamma, !(snrGamma > 0 && snrGamma.isFinite) {
      throw TrainingOptionError(.snrGamma, "is \(snrGamma) and must be a number above 0, usually 5")
    }
    if !guidanceScale.isFinite { throw TrainingOptionError(.guidanceScale, "is \(guidanceScale), which is no number") }
  }

  private func requireLearningRateSchedule() throws(TrainingOptionError) {
    if lrWarmupSteps < 0 { throw TrainingOptionError(.lrWarmupSteps, "is \(lrWarmupSteps) and must not be negative") }
    if lrWarmupSteps > Self.greatestCount {
      throw TrainingOptionError(.lrWarmupSteps, "is \(lrWarmupSteps) and must be at most \(Self.greatestCount)")
    }
    if lrScheduler != .constant, let maxTrainSteps, lrWarmupSteps >= maxTrainSteps {
      throw TrainingOptionError(
        .lrWarmupSteps,
        "is \(lrWarmupSteps), but there are only \(maxTrainSteps) steps: the learning rate would never be reached")
    }
    if lrScheduler == .constant, lrWarmupSteps > 0 {
      throw TrainingOptionError(
        .lrWarmupSteps, "has no effect on --lr_scheduler constant; choose constant_with_warmup")
    }
    if lrScheduler == .polynomial {
      if learningRate <= LearningRateSchedule.polynomialEnd {
        throw TrainingOptionError(
          .learningRate, "must be above \(LearningRateSchedule.polynomialEnd), where --lr_scheduler polynomial ends")
      }
      if !(lrPower > 0 && lrPower.isFinite) {
        throw TrainingOptionError(.lrPower, "is \(lrPower) and must be a number above 0")
      }
    }
  }
}

extension TrainingConfiguration {
  /// Makes sure that a model's latents can have the size that pictures of the resolution call for.
  ///
  /// - Throws: `TrainingOptionError`.
  public func requireResolution(for folder: ModelFolder) throws(TrainingOptionError) {
    let factor = folder.autoencoderConfiguration.downFactor
    guard resolution > 0, resolution.isMultiple(of: factor) else {
      throw TrainingOptionError(.resolution, "is \(resolution) and must be a multiple of \(factor) for this model")
    }
  }
}
