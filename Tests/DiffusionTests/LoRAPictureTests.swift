import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Pictures drawn with a LoRA are those that diffusers and PEFT draw with it, in both layouts, at any scale; see
/// Fixtures/lora.py.
@Suite struct LoRAPictureTests {
  private func lora(_ name: String) throws -> LoRA {
    try LoRA(contentsOf: Fixtures.folder.appending(path: "goldens/lora/\(name).safetensors"))
  }

  private func draw(
    _ model: URL, _ loras: [ScaledLoRA], from golden: SafetensorsFile, on device: any Backend
  ) throws -> GeneratedPictures {
    let folder = try ModelFolder(model)
    let pipeline = try TextToImage(folder, on: device, loras: loras)
    let start = try golden.tensor("latents", on: device)
    var request = TextToImageRequest(prompts: ["a photo of sks dog on the beach"])
    request.negativePrompts = ["blurry"]
    request.steps = 6
    request.guidanceScale = 5
    request.height = start.shape[2] * pipeline.autoencoder.configuration.downFactor
    request.width = start.shape[3] * pipeline.autoencoder.configuration.downFactor
    request.latents = start
    return try pipeline(request, scheduler: folder.schedulerConfiguration.makeScheduler(named: .ddim))
  }

  private func model(_ name: String) -> URL { Fixtures.model(name == "sd2" ? "tiny-sd2" : "tiny-sd1") }

  @Test(arguments: Device.kinds, LoRAFileTests.cases)
  func picturesAreThoseOfDiffusers(_ computeDevice: Device, _ name: String) throws {
    let device = computeDevice.backend
    let golden = try Fixtures.golden("lora/\(name)-pictures")
    let bytes = try golden.withBytes("image") { Array($0) }
    for layout in ["", "-kohya"] {
      let pictures = try draw(model(name), [ScaledLoRA(lora(name + layout))], from: golden, on: device)
      #expect(try golden.relativeError(of: pictures.latents, "final") <= Tolerance.sampledLatents)
      let differences = zip(try pictures.images()[0].pixels, bytes).map { abs(Int($0) - Int($1)) }
      #expect(differences.count == bytes.count && differences.max()! <= Tolerance.pixelLevels)
    }
    let half = try draw(model(name), [ScaledLoRA(lora(name), scale: 0.5)], from: golden, on: device)
    #expect(try golden.relativeError(of: half.latents, "half.final") <= Tolerance.sampledLatents)
  }

  @Test(arguments: Device.kinds)
  func severalAtOnce(_ device: Device) throws {
    let golden = try Fixtures.golden("lora/both-pictures")
    let pictures = try draw(
      model("sd1"), [ScaledLoRA(lora("sd1"), scale: 0.75), ScaledLoRA(lora("sd1-conv"), scale: -0.5)], from: golden,
      on: device.backend)
    #expect(try golden.relativeError(of: pictures.latents, "final") <= Tolerance.sampledLatents)
  }

  @Test func foldedScalesDrawTheSame() throws {
    let golden = try Fixtures.golden("lora/sd1-pictures")
    let pictures = try draw(
      model("sd1"), [ScaledLoRA(lora("sd1").withFoldedScale())], from: golden, on: Device.cpu.backend)
    #expect(try golden.relativeError(of: pictures.latents, "final") <= Tolerance.sampledLatents)
  }
}
