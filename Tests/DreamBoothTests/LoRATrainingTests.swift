import Foundation
import TestSupport
import Testing

@testable import DreamBooth

/// Runs that train adapters: what they write, how they resume, what they take.
@Suite struct LoRATrainingTests {
  private let fixture: TrainingFixture

  init() throws { fixture = try TrainingFixture() }

  private func configuration(
    output: String = "output", _ change: (inout LoRAConfiguration) -> Void = { _ in }
  ) -> TrainingConfiguration {
    var configuration = fixture.configuration(output: output)
    var lora = LoRAConfiguration()
    change(&lora)
    configuration.lora = lora
    return configuration
  }

  private func lora(_ path: String) throws -> LoRA { try LoRA(contentsOf: URL(filePath: fixture.path(path))) }

  @Test func aRunWritesAFileOfAdapters() throws {
    var configuration = configuration()
    fixture.addPrior(&configuration)
    configuration.trainTextEncoder = true
    let file = fixture.path("output/pytorch_lora_weights.safetensors")
    #expect(try fixture.run(configuration) == .finished(model: URL(filePath: file)))
    #expect(!fixture.exists("output/model_index.json") && !fixture.exists("output/unet"))
    let lora = try lora("output/pytorch_lora_weights.safetensors")
    #expect(lora.layers.allSatisfy { $0.rank == 4 && $0.alpha == 32 })
    let modules = LoRAConfiguration().targetModules
    #expect(lora.layers.allSatisfy { layer in modules.contains { layer.name.hasSuffix(".\($0)") } })
    #expect(Dictionary(grouping: lora.layers, by: \.part).mapValues(\.count) == [.unet: 48, .textEncoder: 8])
    // The second factor has left zero.
    #expect(lora.layers.allSatisfy { $0.up.numbers.contains { $0 != 0 } })
    #expect(
      try SafetensorsFile(URL(filePath: file)).metadata["lora_adapter_metadata"]?.contains("\"unet.r\" : 4") == true)
  }

  @Test func modulesAreChosenByTheEndsOfTheirNames() throws {
    let configuration = configuration { $0.targetModules = ["conv1", "mid_block.attentions.0.proj_in"] }
    try fixture.run(configuration)
    let names = try lora("output/pytorch_lora_weights.safetensors").layers.map(\.name)
    #expect(names.contains("mid_block.attentions.0.proj_in"))
    #expect(names.contains("down_blocks.0.resnets.1.conv1"))
    #expect(names.allSatisfy { $0.hasSuffix(".conv1") || $0 == "mid_block.attentions.0.proj_in" })
  }

  @Test(arguments: [
    (["to_q", "to_x"], "the model has no layer of that name"),
    (["q_proj"], "none of which is in a network that is trained"),
    (["norm1"], "the model has no layer of that name"),
  ])
  func modulesThatAreNotThereAreRefused(_ modules: [String], _ reason: String) throws {
    let error = #expect(throws: TrainingOptionError.self) {
      try fixture.run(configuration { $0.targetModules = modules })
    }
    #expect(error?.option == .lora && error?.problem.contains(reason) == true)
    #expect(!fixture.exists("output"))
  }

  @Test func impossibleOptionsAreRefused() throws {
    let mistakes: [(inout LoRAConfiguration) -> Void] = [
      { $0.rank = 0 }, { $0.alpha = 0 }, { $0.alpha = .nan }, { $0.dropout = 1 }, { $0.dropout = -0.1 },
      { $0.targetModules = [] }, { $0.targetModules = ["to_q", ""] },
    ]
    for mistake in mistakes {
      let error = #expect(throws: TrainingOptionError.self) { try configuration(mistake).validate() }
      #expect(error?.option == .lora)
    }
  }

  /// Two and two steps are four, byte for byte, with everything that is drawn at random.
  @Test(arguments: [false, true])
  func aResumedRunIsAnUninterruptedOne(_ savesMemory: Bool) throws {
    var whole = configuration(output: "whole") { $0.dropout = 0.2 }
    fixture.addEverything(&whole)
    if savesMemory {
      whole.gradientAccumulationSteps = 1
      whole.use8bitAdam = true
      whole.fusedBackwardPass = true
      whole.maxGradNorm = .infinity
    }
    let expected = try fixture.expectResumingChangesNothing(whole)
    #expect(expected.keys.contains("pytorch_lora_weights.safetensors"))
    #expect(expected.keys.contains("checkpoint-4/text_encoder/trained.safetensors"))
  }

  @Test func checkpointsHoldAFileForOtherPrograms() throws {
    var configuration = configuration()
    configuration.checkpointingSteps = 4
    try fixture.run(configuration)
    let tensors = try fixture.tensors("output")
    let file = "pytorch_lora_weights.safetensors"
    #expect(tensors[file] != nil && tensors[file] == tensors["checkpoint-4/\(file)"])
  }

  @Test func aRunGoesOnWithItsOwnAdaptersOnly() throws {
    var configuration = configuration()
    configuration.maxTrainSteps = 1
    configuration.checkpointingSteps = 1
    try fixture.run(configuration)
    configuration.resumeFromCheckpoint = "latest"
    for change in [{ $0 = nil }, { $0?.rank = 5 }, { $0?.targetModules = ["to_q"] }]
      as [(inout LoRAConfiguration?) -> Void]
    {
      var other = configuration
      change(&other.lora)
      #expect {
        try fixture.run(other)
      } throws: { error in
        guard case RunCheckpointError.otherConfiguration(_, let options) = error else { return false }
        return options == [.lora]
      }
    }
  }

  @Test func dropoutChangesTheStepsButNotTheSamples() throws {
    func losses(_ dropout: Double) throws -> [Float] {
      var losses: [Float] = []
      var configuration = configuration(output: "dropout-\(dropout)") { $0.dropout = dropout }
      configuration.validationPrompt = "a photo of sks dog"
      configuration.validationSteps = 4
      configuration.validationInferenceSteps = 2
      configuration.numValidationImages = 2
      try fixture.run(configuration) { event in
        if case .stepped(let record, _) = event { losses.append(record.loss) }
      }
      return losses
    }
    let (plain, dropped) = (try losses(0), try losses(0.5))
    // Nothing is added yet in the first step.
    #expect(plain[0] == dropped[0])
    #expect(plain[1...] != dropped[1...])
    // A picture of the run is the one that its LoRA draws.
    let folder = try ModelFolder(TrainingFixture.modelURL)
    let pipeline = try TextToImage(
      folder, on: fixture.backend, loras: [ScaledLoRA(lora("dropout-0.5/pytorch_lora_weights.safetensors"))])
    var request = TextToImageRequest(prompts: ["a photo of sks dog"])
    request.steps = 2
    (request.height, request.width, request.seeds) = (16, 16, [12])
    let picture = try pipeline(request, scheduler: folder.schedulerConfiguration.makeScheduler()).images()[0]
    let sample = try Image(contentsOf: URL(filePath: fixture.path("dropout-0.5/samples/step-4/1.png")))
    #expect(picture.pixels == sample.pixels)
  }

  @Test func theForecastCoversARealRun() throws {
    var configuration = configuration { $0.dropout = 0.1 }
    fixture.addPrior(&configuration)
    configuration.trainTextEncoder = true
    try fixture.expectForecastCoversARun(configuration)
  }

  /// Stable Diffusion 1.5, UNet and text encoder, on a photo and a class picture of 512 pixels in bfloat16.
  @Test func aFullSizeLoRATrainsWithinFiveGigabytes() throws {
    let folder = try ModelFolder(Fixtures.configs("sd15"))
    var configuration = configuration()
    fixture.addPrior(&configuration)
    configuration.resolution = 512
    configuration.trainTextEncoder = true
    configuration.mixedPrecision = .bf16
    let plain = try TrainingMemory(folder, configuration)
    configuration.gradientCheckpointing = true
    let memory = try TrainingMemory(folder, configuration)
    // 797184 numbers in the UNet's factors and 294912 in the text encoder's, PEFT's own counts, in whole blocks of 256.
    #expect(memory.moments >= 8 * (797_184 + 294_912) && memory.moments < 9 * (797_184 + 294_912))
    #expect(memory.total < 5_000_000_000, "\(memory)")
    #expect(plain.total < 20_000_000_000, "\(plain)")
  }
}
