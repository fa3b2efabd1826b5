import DreamBooth
import Foundation
import TestSupport
import Testing

/// Models that are damaged, incomplete or hostile.
@Suite struct BadModelTests {
  private let place: Workplace
  private static let weights = "model/unet/diffusion_pytorch_model.safetensors"

  init() throws {
    place = try Workplace()
  }

  /// Expects everything that reads the weights to name what is wrong with them.
  private func expectRefusal(naming words: [String], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let generating = ["generate", "--model", "model", "--prompt", "a dog", "--output", "out.png"]
    for arguments in [generating, place.training(["--output_dir", "out"])] {
      try place.expectRefusal(arguments, naming: words, sourceLocation: sourceLocation)
    }
  }

  private func edit(_ file: String, _ option: String, _ value: Any) throws {
    var options = try #require(JSONSerialization.jsonObject(with: place.data(file)) as? [String: Any])
    options[option] = value
    try JSONSerialization.data(withJSONObject: options).write(to: place.file(file))
  }

  // MARK: - Folders and configurations

  @Test(arguments: [
    ("nowhere", ["nowhere does not exist"]), ("photos/rgb8.png", ["rgb8.png is neither a safetensors file"]),
    ("photos", ["photos/model_index.json is missing"]),
  ])
  func whatIsNoModelIsRefused(_ path: String, _ words: [String]) throws {
    try place.expectRefusal(["inspect", path], naming: words)
    try place.expectRefusal(["init", "--like", path, "new"], naming: words)
    try place.expectRefusal(place.training(["--pretrained_model_name_or_path", path]), naming: words)
    // A tokenizer is enough for this.
    try place.expectRefusal(
      ["tokenize", "--model", path, "a dog"], naming: path == "photos" ? ["photos", "vocab.json"] : words)
  }

  @Test(arguments: [
    "model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
    "scheduler/scheduler_config.json",
  ])
  func missingAndBrokenConfigurationsAreNamed(_ file: String) throws {
    let whole = try place.data("model/\(file)")
    for broken in ["", "[]", "null", "{", String(repeating: "[", count: 100_000)] {
      try place.write(broken, to: "model/\(file)")
      try place.expectRefusal(["inspect", "model"], naming: [file])
    }
    try whole.prefix(whole.count / 2).write(to: place.file("model/\(file)"))
    try place.expectRefusal(["inspect", "model"], naming: [file])
    try place.remove("model/\(file)")
    try expectRefusal(naming: [file, "missing"])
  }

  @Test func optionsThatAreNotSupportedAreNamed() throws {
    try edit("model/unet/config.json", "class_embed_type", "timestep")
    try expectRefusal(naming: ["unet/config.json", "class_embed_type", "timestep"])
    try edit("model/unet/config.json", "class_embed_type", NSNull())
    try edit("model/scheduler/scheduler_config.json", "rescale_betas_zero_snr", true)
    try edit("model/unet/config.json", "colour_of_the_model", "blue")
    try expectRefusal(naming: ["unet/config.json", "colour_of_the_model"])
  }

  @Test func aModelThatTakesMoreThanLatentsIsRefused() throws {
    try edit("model/unet/config.json", "in_channels", 9)
    try place.expectRefusal(["inspect", "model"], naming: ["9 channels", "latents have 4"])
    try expectRefusal(naming: ["9 channels", "latents have 4"])
  }

  @Test(arguments: [0, -1, 3, 1_000_000_000_000_000_000, Int.max, Int.min])
  func impossibleNumbersAreRefused(_ number: Int) throws {
    for option in ["attention_head_dim", "norm_num_groups", "cross_attention_dim", "layers_per_block"] {
      try edit("model/unet/config.json", option, number)
      let outcome = try place.run(["generate", "--model", "model", "--prompt", "a", "--output", "out.png"])
      // Three groups, heads or layers may be possible; then the tensors are not those of the file.
      #expect(outcome.hasExited && outcome.status == 1, "\(option): \(outcome)")
      try place.remove("model/unet/config.json")
      try place.copy(Fixtures.model("tiny-sd1").appending(path: "unet/config.json"), to: "model/unet/config.json")
    }
  }

  // MARK: - Weights

  @Test func truncatedWeightsAreRefused() throws {
    let whole = try place.data(Self.weights)
    for count in [0, 7, 100, whole.count / 2, whole.count - 1] {
      try whole.prefix(count).write(to: place.file(Self.weights))
      try expectRefusal(naming: ["unet/diffusion_pytorch_model.safetensors"])
    }
    try place.remove(Self.weights)
    try expectRefusal(naming: ["unet/diffusion_pytorch_model.safetensors", "missing"])
    try place.makeFolder(Self.weights)
    try expectRefusal(naming: ["unet/diffusion_pytorch_model.safetensors"])
  }

  /// Headers that claim the impossible, and a word of the complaint each must give.
  @Test(arguments: [
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, "'a'"),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, "'a'"),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,4]}}"#, "'a'"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "'a'"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}"#, "'a'"),
    (#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, "F99"),
    (#"{"a":{"dtype":"F32"}}"#, "header"), ("[]", "neither a safetensors"),
    ("{", "header"), ("\u{0}", "neither a safetensors"),
    (String(repeating: "[", count: 1_000_000), "neither a safetensors"), (#"{"__metadata__":{"a":3}}"#, "header"),
  ])
  func hostileHeadersAreRefused(_ header: String, _ word: String) throws {
    let count = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    try (count + Data(header.utf8) + Data(count: 4)).write(to: place.file(Self.weights))
    try expectRefusal(naming: ["unet/diffusion_pytorch_model.safetensors", word])
  }

  @Test(arguments: [UInt64.max, 1 << 63, 1 << 40, 0])
  func headerLengthsAreNotBelieved(_ count: UInt64) throws {
    let length = withUnsafeBytes(of: count.littleEndian) { Data($0) }
    try (length + Data("{}".utf8)).write(to: place.file(Self.weights))
    try expectRefusal(naming: ["unet/diffusion_pytorch_model.safetensors"])
  }

  @Test func tensorsMustBeThoseOfTheConfiguration() throws {
    let device = CPUBackend()
    let stored = try SafetensorsFile(
      Fixtures.model("tiny-sd1").appending(path: "unet/diffusion_pytorch_model.safetensors"))
    func write(_ change: (inout [String: Tensor]) -> Void) throws {
      var tensors: [String: Tensor] = [:]
      for name in stored.names { tensors[name] = try stored.tensor(name, on: device) }
      change(&tensors)
      try SafetensorsWriter.write(tensors.map { TensorItem($0.key, $0.value) }, to: place.file(Self.weights))
    }
    try write { $0["conv_in.bias"] = nil }
    try expectRefusal(naming: ["lacks 1 tensor (conv_in.bias)"])
    try write { $0["lora.weight"] = Tensor(repeating: 0, [1], on: device) }
    try expectRefusal(naming: ["holds 1 tensor (lora.weight)"])
    try write { $0["conv_in.weight"] = Tensor(repeating: 0, [8, 9, 3, 3], on: device) }
    try expectRefusal(naming: ["conv_in.weight", "[8, 9, 3, 3]", "[8, 4, 3, 3]"])
    try write { $0["conv_in.bias"] = Tensor([Int32](repeating: 0, count: 8), [8], on: device) }
    try expectRefusal(naming: ["conv_in.bias", "I32"])
  }

  @Test(arguments: ["vocab.json", "merges.txt"])
  func brokenTokenizersAreNamed(_ file: String) throws {
    try place.remove("model/tokenizer/tokenizer.json")
    try place.write("{", to: "model/tokenizer/\(file)")
    try place.expectRefusal(["tokenize", "--model", "model", "a dog"], naming: [file])
    try expectRefusal(naming: [file])
    try place.remove("model/tokenizer/\(file)")
    try expectRefusal(naming: ["model/tokenizer"])
  }
}
