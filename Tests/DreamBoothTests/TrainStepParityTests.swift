import DreamBooth
import Foundation
import TestSupport
import Testing

/// Training steps on given numbers: text states, prediction, losses, every gradient and the parameters after ten steps
/// of AdamW are those of PyTorch, for models shaped like Stable Diffusion 1, 2 and 2.1 and one that predicts the
/// sample, with and without prior preservation and the text encoder.
@Suite struct TrainStepParityTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: Device.allCases, TrainStepCase.names)
  func stepIsThatOfPyTorch(_ device: Device, _ name: String) throws {
    let step = try TrainStepCase(name)
    let golden = try Fixtures.golden("train-step/\(name).outputs")
    let found = try step.trace(in: folder, on: device)

    // Parameters after the last step are kept for some cases only.
    let kinds = Dictionary(grouping: golden.names) { $0.split(separator: ".").first.map(String.init) ?? "" }
    let gradients = kinds["grad"] ?? []
    let parameters = kinds["param"] ?? []
    let forward = Set(golden.names).subtracting(gradients).subtracting(parameters)
    #expect(Set(found.names.filter { !$0.hasPrefix("param.") }) == forward.union(gradients))

    let forwardErrors = try found.relativeErrors(forward, to: golden, above: Tolerance.forward)
    #expect(forwardErrors == [:])
    for (loss, expected) in zip(try found.floats("losses"), try golden.floats("losses")) {
      #expect(relativeError([loss], [expected]) <= Tolerance.forward)
    }
    let gradientErrors = try found.relativeErrors(
      gradients.filter { !step.isRoundingNoise($0) }, to: golden, above: Tolerance.gradient)
    #expect(gradientErrors == [:])
    let parameterErrors = try found.relativeErrors(
      parameters.filter { !step.isRoundingNoise($0) }, to: golden,
      above: Tolerance.parameters(conditioning: step.parameterConditioning))
    #expect(parameterErrors == [:])
  }

  @Test(arguments: Device.allCases, TrainStepCase.names)
  func checkpointingChangesNoBit(_ device: Device, _ name: String) throws {
    let step = try TrainStepCase(name)
    let plain = try step.trace(in: folder, on: device)
    let checkpointed = try step.trace(in: folder, on: device, checkpointing: true)
    #expect(plain.names == checkpointed.names)
    let differing = try plain.names.filter { try plain.floats($0) != checkpointed.floats($0) }
    #expect(differing == [])
  }

  @Test func casesCoverWhatTheyClaim() throws {
    let steps = try TrainStepCase.names.map(TrainStepCase.init)
    #expect(Set(steps.map(\.model)) == ["tiny-sd1", "tiny-sd2", "tiny-sd21", "tiny-sample"])
    for model in ["tiny-sd1", "tiny-sd2", "tiny-sd21"] {
      let settings = steps.filter { $0.model == model }.map { [$0.trainTextEncoder, $0.withPriorPreservation] }
      #expect(Set(settings).count == 4)
    }
  }
}
