import DreamBooth
import Foundation
import TestSupport
import Testing

/// Every parameter of every model is in use: each gets a gradient, but for those that are zero in exact arithmetic.
@Suite struct CoverageTests {
  /// Attention weighs its keys by a softmax, which a number added to all scores of a row does not change: the bias of
  /// the keys moves nothing.
  private static let keyBiases = ["self_attn.k_proj.bias", "attentions.0.to_k.bias"]

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: ["sd1-text", "sd2-text", "sd21-text", "sample"])
  func trainingReachesEveryParameter(_ name: String) throws {
    let step = try TrainStepCase(name)
    let output = try step.trace(in: folder)
    let model = try ModelFolder(Fixtures.model(step.model))
    var gradients: [String: [Float]] = [:]
    for part in [ModelPart.unet, .textEncoder] {
      for parameter in try model.specifications(of: part) {
        gradients[parameter.name] = try output.floats("grad.\(part.folder).\(parameter.name)")
      }
    }
    expectGradients(gradients)
  }

  @Test(arguments: ["tiny-sd1", "tiny-sd2", "tiny-sd21", "tiny-sample"])
  func autoencoderUsesEveryParameter(_ name: String) throws {
    let device = Device.cpu.backend
    let golden = try Fixtures.golden("forward-\(name)")
    let (autoencoder, store) = try ModelFolder(Fixtures.model(name)).loadAutoencoder(on: device) { _ in true }
    let pixels = try golden.tensor("vae.pixel_values", on: device).channelsLast()
    let moments = autoencoder.moments(Variable(pixels))
    (moments * moments).sum().backward()
    let latents = try golden.tensor("vae.latents", on: device).channelsLast()
    autoencoder.decode(Variable(latents)).meanSquaredError(pixels).sum().backward()
    expectGradients(
      Dictionary(
        uniqueKeysWithValues: store.parameters.map { ($0.name, store.pytorch($0, in: store.gradients).floats()) }))
  }

  /// The gradients that are nothing beside the largest are those of the keys' biases, no more and no fewer.
  private func expectGradients(_ gradients: [String: [Float]]) {
    let norms = gradients.mapValues { $0.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    let largest = norms.values.max() ?? 0
    #expect(largest > 0 && norms.values.allSatisfy(\.isFinite))
    let zero = norms.filter { $0.value < Tolerance.zeroGradient * largest }.keys
    let expected = norms.keys.filter { name in Self.keyBiases.contains { name.hasSuffix($0) } }
    #expect(!expected.isEmpty)
    #expect(Set(zero) == Set(expected))
  }
}
