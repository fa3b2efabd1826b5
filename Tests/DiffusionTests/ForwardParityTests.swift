import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// The networks compute what those of diffusers and transformers compute from the same weights.
@Suite struct ForwardParityTests {
  /// Every model on every device.
  struct Case: Sendable, CustomTestStringConvertible {
    let model: String
    let computeDevice: Device

    static let all = Device.allCases.flatMap { device in
      ["tiny-sd1", "tiny-sd2", "tiny-sd21", "tiny-sample"].map { Case(model: $0, computeDevice: device) }
    }

    var device: any Backend { computeDevice.backend }
    var testDescription: String { "\(model) on \(computeDevice)" }
  }

  @Test(arguments: Case.all)
  func textStates(_ parity: Case) throws {
    let (model, device) = (parity.model, parity.device)
    let golden = try Fixtures.golden("forward-\(model)")
    let (encoder, _) = try ModelFolder(Fixtures.model(model)).loadTextEncoder(on: device)
    let ids = try golden.indices("text.input_ids", on: device)
    let layers = encoder.hiddenStates(ids)
    #expect(layers.count == golden.names.count { $0.hasPrefix("text.hidden_states.") })
    for (index, states) in layers.enumerated() {
      let error = try golden.relativeError(of: states.value, "text.hidden_states.\(index)")
      #expect(error <= Tolerance.forward, "layer \(index)")
    }
    let error = try golden.relativeError(of: encoder(ids).value, "text.last_hidden_state")
    #expect(error <= Tolerance.forward)
  }

  @Test(arguments: Case.all)
  func timeEmbeddings(_ parity: Case) throws {
    let (model, device) = (parity.model, parity.device)
    let golden = try Fixtures.golden("forward-\(model)")
    let configuration = try ModelFolder(Fixtures.model(model)).unetConfiguration
    let weights = try SafetensorsFile(Fixtures.model(model).appending(path: "unet/diffusion_pytorch_model.safetensors"))
    let (embedding, _) = try ParameterStore.build(
      on: device, trainable: { _ in false }, from: PartOfFile(file: weights)
    ) { scope in
      try TimeEmbedding(
        scope["time_embedding"], configuration.blockChannels[0],
        width: UNet2DConditionModel.timeChannels(configuration),
        timesteps: SchedulerConfig.standardTimestepCount, cosineFirst: configuration.cosineFirst,
        frequencyShift: configuration.frequencyShift)
    }
    let found = embedding(try golden.indices("time.timesteps", on: device)).value
    let error = try golden.relativeError(of: found, "time.time_embedding")
    #expect(error <= Tolerance.forward)
  }

  @Test(arguments: Case.all, ["square", "wide", "odd"])
  func predictions(_ parity: Case, _ size: String) throws {
    let (model, device) = (parity.model, parity.device)
    let golden = try Fixtures.golden("forward-\(model)")
    let (unet, _) = try ModelFolder(Fixtures.model(model)).loadUNet(on: device)
    let prediction = unet(
      Variable(try golden.tensor("unet.\(size).sample", on: device).channelsLast()),
      timesteps: try golden.indices("unet.\(size).timesteps", on: device),
      encoderHiddenStates: Variable(try golden.tensor("unet.\(size).encoder_hidden_states", on: device)))
    let error = try golden.relativeError(of: prediction.value.channelsFirst(), "unet.\(size).output")
    #expect(error <= Tolerance.forward)
  }

  @Test(arguments: Case.all)
  func latentsAndPictures(_ parity: Case) throws {
    let (model, device) = (parity.model, parity.device)
    let golden = try Fixtures.golden("forward-\(model)")
    let (autoencoder, _) = try ModelFolder(Fixtures.model(model)).loadAutoencoder(on: device)
    let latents = autoencoder.encode(try golden.tensor("vae.pixel_values", on: device).channelsLast())
    let decoded = autoencoder.decode(Variable(try golden.tensor("vae.latents", on: device).channelsLast())).value
    for (name, tensor) in [("mean", latents.mean), ("logvar", latents.logVariance), ("decoded", decoded)] {
      let error = try golden.relativeError(of: tensor.channelsFirst(), "vae.\(name)")
      #expect(error <= Tolerance.forward, "\(name)")
    }
  }
}

/// The parameters that one part of a network asks for, among all those of a file.
private struct PartOfFile: ParameterSource {
  let file: SafetensorsFile

  func check(_ specifications: [ParameterSpecification]) throws {
    for specification in specifications {
      let shape = try file.entry(specification.name).shape
      #expect(shape == specification.shape)
    }
  }

  func fill(_ parameter: Parameter) throws { parameter.assign(try file.floats(parameter.name)) }
}
