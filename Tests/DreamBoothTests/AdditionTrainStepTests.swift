import DreamBooth
import Foundation
import TestSupport
import Testing

/// Training steps on adapters of UNet and text encoder are those of PEFT, and steps on new words those of diffusers:
/// losses, the gradient of every factor or vector and what ten steps of AdamW make of them; see Fixtures/lora.py and
/// Fixtures/textual_inversion.py.
@Suite struct AdditionTrainStepTests {
  static let names = ["sd1-lora", "sd1-conv-lora", "sd1-tokens"]
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: Device.allCases, names)
  func stepIsThatOfPyTorch(_ device: Device, _ name: String) throws {
    let step = try TrainStepCase(name)
    let golden = try Fixtures.golden("train-step/\(name).outputs")
    let found = try step.trace(in: folder, on: device)
    // Nothing but the factors has a gradient.
    #expect(Set(found.names) == Set(golden.names))

    let isFactor = { (name: String) in name.hasPrefix("grad.") || name.hasPrefix("param.") }
    let forward = golden.names.filter { !isFactor($0) && $0 != "losses" }
    #expect(try found.relativeErrors(forward, to: golden, above: Tolerance.forward) == [:])
    for (loss, expected) in zip(try found.floats("losses"), try golden.floats("losses")) {
      #expect(relativeError([loss], [expected]) <= Tolerance.forward)
    }
    let gradients = golden.names.filter { $0.hasPrefix("grad.") && !step.isRoundingNoise($0) }
    #expect(gradients.allSatisfy { $0.contains(".lora_") || $0.contains(".new_token_embedding.") })
    #expect(
      gradients.count
        == (name == "sd1-tokens" ? 1 : golden.names.count { $0.hasPrefix("grad.") } - step.zeroGradients.count))
    #expect(try found.relativeErrors(gradients, to: golden, above: Tolerance.gradient) == [:])
    let parameters = golden.names.filter { $0.hasPrefix("param.") && !step.isRoundingNoise($0) }
    let tolerance = Tolerance.parameters(conditioning: step.parameterConditioning)
    #expect(try found.relativeErrors(parameters, to: golden, above: tolerance) == [:])
  }

  @Test(arguments: names)
  func checkpointingChangesNoBit(_ name: String) throws {
    let step = try TrainStepCase(name)
    let plain = try step.trace(in: folder)
    let checkpointed = try step.trace(in: folder, checkpointing: true)
    #expect(plain.names == checkpointed.names)
    #expect(try plain.names.filter { try plain.floats($0) != checkpointed.floats($0) } == [])
  }
}
