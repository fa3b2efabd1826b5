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

  @Test(arguments: TrainStepCase.names)
  func stepIsThatOfPyTorch(_ name: String) throws {
    let step = try TrainStepCase(name)
    let golden = try Fixtures.golden("train-step/\(name).outputs")
    let found = try step.trace(in: folder)

    // Parameters after the last step are kept for some cases only.
    let kinds = Dictionary(grouping: golden.names) { $0.split(separator: ".").first.map(String.init) ?? "" }
    let gradients = kinds["grad"] ?? []
    let parameters = kinds["param"] ?? []
    let forward = Set(golden.names).subtracting(gradients).subtracting(parameters)
    #expect(Set(found.names.filter { !$0.hasPrefix("param.") }) == forward.union(gradients))

    func differing(_ names: some Sequence<String>, by tolerance: Double) throws -> [String: Double] {
      let errors = try names.map { ($0, try found.relativeError($0, to: golden)) }
      return Dictionary(uniqueKeysWithValues: errors.filter { !($0.1 <= tolerance) })
    }
    #expect(try differing(forward, by: Tolerance.forward) == [:])
    for (loss, expected) in zip(try found.floats("losses"), try golden.floats("losses")) {
      #expect(relativeError([loss], [expected]) <= Tolerance.forward)
    }
    #expect(try differing(gradients.filter { !step.isRoundingNoise($0) }, by: Tolerance.gradient) == [:])
    let tolerance = Tolerance.parameters(conditioning: try step.parameterConditioning)
    #expect(try differing(parameters.filter { !step.isRoundingNoise($0) }, by: tolerance) == [:])
  }

  @Test(arguments: TrainStepCase.names)
  func checkpointingChangesNoBit(_ name: String) throws {
    let step = try TrainStepCase(name)
    let (plain, checkpointed) = (try step.trace(in: folder), try step.trace(in: folder, checkpointing: true))
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

extension SafetensorsFile {
  /// How far a tensor lies from the one of the same name in another file; infinite where the extents differ.
  fileprivate func relativeError(_ name: String, to golden: SafetensorsFile) throws -> Double {
    guard try entry(name).shape == golden.entry(name).shape else { return .infinity }
    return TestSupport.relativeError(try floats(name), try golden.floats(name))
  }
}
