import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// The full-size models hold the tensors that diffusers' and transformers' own classes hold, and compute tensors of
/// the right extents. Nothing is allocated: a 3.4 GB model takes milliseconds.
@Suite struct KeysTests {
  private struct Part: Decodable {
    let parameters: Int
    let tensors: [String: [Int]]
  }

  static let models = ["sd15", "sd21-base", "sd21"]

  /// Key names contain underscores, so the decoder must leave them alone.
  private func golden(_ model: String, _ part: ModelPart) throws -> Part {
    let json = try Data(contentsOf: Fixtures.folder.appending(path: "goldens/keys-\(model).json"))
    return try #require(JSONDecoder().decode([String: Part].self, from: json)[part.rawValue])
  }

  @Test(arguments: models, ModelPart.allCases)
  func keysShapesAndCountsAreThoseOfDiffusers(_ model: String, _ part: ModelPart) throws {
    let expected = try golden(model, part)
    let specifications = try ModelFolder(Fixtures.configs(model)).specifications(of: part)
    let found = Dictionary(uniqueKeysWithValues: specifications.map { ($0.name, $0.shape.dimensions) })
    #expect(Set(expected.tensors.keys).subtracting(found.keys) == [], "missing")
    #expect(Set(found.keys).subtracting(expected.tensors.keys) == [], "not in diffusers")
    #expect(expected.tensors.filter { found[$0.key] != nil && found[$0.key] != $0.value } == [:], "other extents")
    #expect(specifications.reduce(0) { $0 + $1.shape.count } == expected.parameters)
  }

  @Test(arguments: models)
  func fullSizeTrainingStepHasTheRightExtents(_ model: String) throws {
    let folder = try ModelFolder(Fixtures.configs(model))
    let device = NullBackend()
    let (encoder, encoderParameters) = try ParameterStore.build(
      on: device, trainable: { _ in true }, from: UndefinedParameters(), folder.makeTextEncoder)
    let (unet, parameters) = try ParameterStore.build(
      on: device, trainable: { _ in true }, from: UndefinedParameters(), folder.makeUNet)
    let size = try #require(folder.unetConfiguration.sampleHeight)
    let width = model == "sd15" ? 768 : 1024

    let states = encoder(Tensor([Int32](repeating: 0, count: 2 * 77), [2, 77], on: device))
    #expect(states.shape == [2, 77, width] as Shape)
    let latents = Tensor(empty: [2, size, size, 4], on: device)
    let prediction = unet(
      Variable(latents), timesteps: Tensor([Int32](repeating: 0, count: 2), [2], on: device),
      encoderHiddenStates: states)
    #expect(prediction.shape == latents.shape)
    prediction.meanSquaredError(latents).sum().backward()
    for parameter in parameters.parameters + encoderParameters.parameters {
      #expect(parameter.gradient?.shape == parameter.value.shape)
    }
  }

  @Test(arguments: models)
  func fullSizeAutoencoderHasTheRightExtents(_ model: String) throws {
    let folder = try ModelFolder(Fixtures.configs(model))
    let device = NullBackend()
    let (autoencoder, _) = try ParameterStore.build(
      on: device, trainable: { _ in false }, from: UndefinedParameters(), folder.makeAutoencoder)
    let pictures = Tensor(empty: [2, 512, 320, 3], on: device)
    let latents = autoencoder.encode(pictures).mean
    #expect(latents.shape == [2, 64, 40, 4] as Shape)
    #expect(autoencoder.decode(Variable(latents)).shape == pictures.shape)
  }
}
