import Diffusion
import Foundation
import TestSupport
import Testing

/// Published shapes with random weights that stand in no folder.
@Suite struct UntrainedModelTests {
  @Test(arguments: [(StandardModel.sd15, "sd15"), (.sd21Base, "sd21-base"), (.sd21, "sd21")])
  func theShapeIsThePublishedOne(_ model: StandardModel, _ name: String) throws {
    let folder = try model.untrained()
    let published = try ModelFolder(Fixtures.folder.appending(path: "configs/\(name)", directoryHint: .isDirectory))
    for part in ModelPart.allCases {
      #expect(try folder.specifications(of: part) == published.specifications(of: part))
    }
    // Stable Diffusion 1.5's file leaves out what is the default.
    #expect(folder.schedulerConfiguration.predictionType == published.schedulerConfiguration.predictionType ?? .epsilon)
    #expect(try folder.loadTokenizer().encode("a dog").count == 77)
  }

  @Test func partsAreMadeWhenTheyAreLoaded() throws {
    let backend = CPUBackend()
    func numbers(_ seed: UInt64) throws -> [Float] {
      let parameters = try StandardModel.sd15.untrained(seed: seed).loadAutoencoder(on: backend).parameters
      let weight = parameters.parameters.first { $0.name == "decoder.conv_in.weight" }
      return try #require(weight).value.floats()
    }
    let first = try numbers(1)
    #expect(first.contains { $0 != 0 } && first.allSatisfy(\.isFinite))
    #expect(try numbers(2) != first)
  }
}
