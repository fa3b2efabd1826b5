import DreamBooth
import Foundation
import TestSupport
import Testing

/// Weights that are no numbers, and models of no known shape.
@Suite struct DamagedWeightsTests {
  private let place: Workplace

  init() throws { place = try Workplace() }

  /// Sets the first number of a tensor.
  private func damage(_ path: String, _ tensor: String, _ value: Float) throws {
    let file = try SafetensorsFile(place.file(path))
    let items = try file.names.map { name -> TensorItem in
      let entry = try file.entry(name)
      guard name == tensor else { return TensorItem(name, copying: entry) }
      var numbers = try file.floats(name)
      numbers[0] = value
      return TensorItem(name, Tensor(numbers, entry.shape, on: CPUBackend()))
    }
    try SafetensorsWriter.write(items, metadata: file.metadata, to: place.file(path))
  }

  @Test(arguments: [Float.nan, .infinity])
  func nothingIsDrawnWithThem(_ value: Float) throws {
    try place.copy(Fixtures.folder.appending(path: "goldens/lora/sd1.safetensors"), to: "lora.safetensors")
    let layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight"
    try damage("lora.safetensors", layer, value)
    let drawing = ["generate", "--model", "model", "--prompt", "a dog", "--steps", "1", "-o", "dog.png"]
    try place.succeed(drawing)
    try place.remove("dog.png")
    let complaint = "are no numbers"
    #expect(try place.run(drawing + ["--lora", "lora.safetensors"]).errors.contains(complaint))
    try damage("model/unet/diffusion_pytorch_model.safetensors", "conv_in.weight", value)
    let outcome = try place.run(drawing)
    #expect(outcome.hasExited && outcome.status == 1 && outcome.errors.contains(complaint), "\(outcome)")
    #expect(!place.exists("dog.png"))
    #expect(try place.succeed(["inspect", "lora.safetensors"]).output.contains("none at all, so that"))
    let training = try place.run(place.training())
    #expect(training.status == 1 && training.errors.contains("from the first step on"), "\(training.errors)")
  }

  @Test func healthyFilesAreNotCalledDamaged() throws {
    let output = try place.succeed(["inspect", "model/unet/diffusion_pytorch_model.safetensors"]).output
    #expect(!output.contains("none at all"))
  }

  /// A file is described even where its model cannot be read for want of a shape.
  @Test func modelsOfUnknownShapeAreInspected() throws {
    try place.succeed(["convert", "model", "model.safetensors"])
    let output = try place.succeed(["inspect", "model.safetensors"]).output
    #expect(output.contains("Stable Diffusion 1.x, in one file") && output.contains("--config"))
    #expect(
      try place.succeed(["inspect", "model.safetensors", "--config", "model"]).output.contains("Memory to train"))
  }
}
