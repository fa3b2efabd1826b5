import DreamBooth
import Foundation
import Testing

@Suite struct TrainingConfigurationTests {
  private let valid = TrainingConfiguration(
    pretrainedModelNameOrPath: "model", instanceDataDir: "dog", instancePrompt: "a photo of sks dog", outputDir: "out")

  @Test func defaultsAreValid() throws {
    try valid.validate()
    var prior = valid
    prior.withPriorPreservation = true
    prior.classDataDir = "dogs"
    prior.classPrompt = "a photo of a dog"
    try prior.validate()
  }

  typealias Change = @Sendable (inout TrainingConfiguration) -> Void

  static let mistakes: [(TrainingConfiguration.CodingKeys, Change)] = [
    (.pretrainedModelNameOrPath, { $0.pretrainedModelNameOrPath = "" }),
    (.instanceDataDir, { $0.instanceDataDir = "" }),
    (.instancePrompt, { $0.instancePrompt = "" }),
    (.outputDir, { $0.outputDir = "" }),
    (.outputDir, { $0.outputDir = $0.pretrainedModelNameOrPath }),
    (.outputDir, { $0.outputDir = "./elsewhere/../model/" }),
    (.resolution, { $0.resolution = 0 }),
    (.resolution, { $0.resolution = .max }),
    (.numClassImages, { $0.numClassImages = .max }),
    (.sampleBatchSize, { $0.sampleBatchSize = .max }),
    (.trainBatchSize, { $0.trainBatchSize = .max }),
    (.numTrainEpochs, { $0.numTrainEpochs = .max }),
    (.maxTrainSteps, { $0.maxTrainSteps = .max }),
    (.gradientAccumulationSteps, { $0.gradientAccumulationSteps = .max }),
    (.checkpointingSteps, { $0.checkpointingSteps = .max }),
    (.numValidationImages, { $0.numValidationImages = .max }),
    (.trainBatchSize, { $0.trainBatchSize = -1 }),
    (.maxTrainSteps, { $0.maxTrainSteps = 0 }),
    (.outputDir, { $0.outputDir = "dog" }),
    (.checkpointsTotalLimit, { $0.checkpointsTotalLimit = 0 }),
    (.classDataDir, { $0.withPriorPreservation = true }),
    (
      .classPrompt,
      {
        $0.withPriorPreservation = true
        $0.classDataDir = "dogs"
      }
    ),
    (
      .classDataDir,
      {
        $0.withPriorPreservation = true
        $0.classDataDir = "dog"
        $0.classPrompt = "a dog"
      }
    ),
    (.learningRate, { $0.learningRate = .nan }),
    (.fullBf16, { $0.fullBf16 = true }),
    (.fusedBackwardPass, { $0.fusedBackwardPass = true }),
    (
      .fusedBackwardPass,
      {
        $0.fusedBackwardPass = true
        $0.maxGradNorm = .infinity
        $0.gradientAccumulationSteps = 2
      }
    ),
    (
      .fusedBackwardPass,
      {
        $0.fusedBackwardPass = true
        $0.maxGradNorm = .infinity
        $0.mixedPrecision = .fp16
      }
    ),
    (.learningRate, { $0.learningRate = 0 }),
    (.adamBeta1, { $0.adamBeta1 = 1 }),
    (.adamBeta2, { $0.adamBeta2 = -0.1 }),
    (.adamEpsilon, { $0.adamEpsilon = 0 }),
    (.adamWeightDecay, { $0.adamWeightDecay = -1 }),
    (.maxGradNorm, { $0.maxGradNorm = 0 }),
    (.snrGamma, { $0.snrGamma = 0 }),
    (.guidanceScale, { $0.guidanceScale = .infinity }),
    (.lrWarmupSteps, { $0.lrWarmupSteps = -1 }),
    (
      .lrWarmupSteps,
      {
        $0.lrScheduler = .constantWithWarmup
        $0.lrWarmupSteps = .max
      }
    ),
    (.lrWarmupSteps, { $0.lrWarmupSteps = 10 }),
    (
      .lrWarmupSteps,
      {
        $0.lrScheduler = .constantWithWarmup
        $0.lrWarmupSteps = 500
        $0.maxTrainSteps = 400
      }
    ),
    (
      .learningRate,
      {
        $0.lrScheduler = .polynomial
        $0.learningRate = 1e-7
      }
    ),
    (
      .lrPower,
      {
        $0.lrScheduler = .polynomial
        $0.lrPower = 0
      }
    ),
  ]

  @Test(arguments: mistakes.indices)
  func namesTheFlagThatIsWrong(_ index: Int) {
    let (option, change) = Self.mistakes[index]
    var configuration = valid
    change(&configuration)
    let error = #expect(throws: TrainingOptionError.self) { try configuration.validate() }
    #expect(error?.option == option)
    #expect(error?.description.hasPrefix("--\(option.rawValue) ") == true)
  }

  @Test func everyOptionIsStoredUnderItsOwnName() throws {
    var configuration = valid
    configuration.variant = "fp16"
    configuration.config = "v2-inference.yaml"
    configuration.predictionType = .velocity
    configuration.seed = .max
    configuration.classDataDir = "dogs"
    configuration.classPrompt = "a dog"
    configuration.maxTrainSteps = 7
    configuration.snrGamma = 5
    configuration.checkpointsTotalLimit = 2
    configuration.resumeFromCheckpoint = "latest"
    configuration.validationPrompt = "a dog on the moon"
    configuration.scheduler = .ddim
    configuration.lora = LoRAConfiguration()
    configuration.placeholderToken = ["<dog>"]
    configuration.initializerToken = ["dog"]
    configuration.numVectors = 2
    let data = try JSONEncoder().encode(configuration)
    let stored = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(Set(stored.keys) == Set(TrainingConfiguration.CodingKeys.allCases.map(\.rawValue)))
    #expect(try JSONDecoder().decode(TrainingConfiguration.self, from: data) == configuration)
  }

  @Test func epochsGoThroughTheLargerFolder() {
    var configuration = valid
    configuration.trainBatchSize = 2
    configuration.numTrainEpochs = 3
    configuration.gradientAccumulationSteps = 4
    #expect(configuration.stepCount(instanceImages: 5, classImages: 0) == 3)
    #expect(configuration.stepCount(instanceImages: 5, classImages: 100) == 3 * 13)
    configuration.maxTrainSteps = 8
    #expect(configuration.stepCount(instanceImages: 5, classImages: 100) == 8)
  }

  @Test func theLearningRateIsScaledOnlyOnRequest() {
    var configuration = valid
    configuration.learningRate = 0.25
    configuration.trainBatchSize = 2
    configuration.gradientAccumulationSteps = 4
    #expect(configuration.learningRateSchedule(stepCount: 9).rate(atStep: 0) == 0.25)
    configuration.scaleLr = true
    #expect(configuration.learningRateSchedule(stepCount: 9).rate(atStep: 0) == 2)
  }

  @Test func precisionsAreThoseOfTheDevice() throws {
    for precision in MixedPrecision.allCases {
      var configuration = valid
      configuration.mixedPrecision = precision
      _ = try Trainer(configuration, on: NullBackend())
      if precision == .no {
        _ = try Trainer(configuration, on: CPUBackend())
      } else {
        let error = #expect(throws: TrainingOptionError.self) { try Trainer(configuration, on: CPUBackend()) }
        #expect(
          error?.description
            == "--mixed_precision is \(precision.rawValue), in which cpu does not compute; it takes no")
      }
    }
  }

  @Test func savingsOfMemoryGoTogether() throws {
    var configuration = valid
    configuration.mixedPrecision = .bf16
    configuration.fullBf16 = true
    configuration.use8bitAdam = true
    configuration.fusedBackwardPass = true
    configuration.maxGradNorm = .infinity
    try configuration.validate()
  }

  @Test func filesWithoutAPrecisionMeanFloat32() throws {
    var configuration = valid
    configuration.mixedPrecision = .fp16
    configuration.use8bitAdam = true
    let text = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(TrainingConfiguration.self, from: text) == configuration)
    var options = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    #expect(options.removeValue(forKey: "mixed_precision") as? String == "fp16")
    #expect(options.removeValue(forKey: "use_8bit_adam") as? Bool == true)
    let old = try JSONSerialization.data(withJSONObject: options)
    let read = try JSONDecoder().decode(TrainingConfiguration.self, from: old)
    #expect(read.mixedPrecision == .no && !read.use8bitAdam)
    options.removeValue(forKey: "center_crop")
    let damaged = try JSONSerialization.data(withJSONObject: options)
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(TrainingConfiguration.self, from: damaged) }
  }
}
