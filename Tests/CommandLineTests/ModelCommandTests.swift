import DreamBooth
import Foundation
import TestSupport
import Testing

/// `tokenize`, `inspect`, `init` and `trace`.
@Suite struct ModelCommandTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  // MARK: - tokenize

  private struct TokenizerGolden: Decodable {
    var prompts: [String]
    var padded: [String: [[Int32]]]
  }

  @Test(arguments: ["sd1", "sd2"])
  func idsAreThoseOfTransformers(_ tokenizer: String) throws {
    let golden = try Fixtures.golden("tokenizer", as: TokenizerGolden.self)
    let expected = try #require(golden.padded[tokenizer])
    try place.makeFolder("words")
    try place.copy(Fixtures.folder.appending(path: "goldens/tokenizer/\(tokenizer)"), to: "words/tokenizer")
    // Every ninth prompt: several languages, apostrophes, and one that is too long.
    for index in stride(from: 0, to: golden.prompts.count, by: 9) {
      let outcome = try place.succeed(["tokenize", "--model", "words", "--", golden.prompts[index]])
      let ids = try JSONDecoder().decode([Int32].self, from: Data(outcome.output.utf8))
      #expect(ids == expected[index], "\(golden.prompts[index])")
    }
  }

  @Test func textThatLooksLikeAFlagIsText() throws {
    func ids(_ text: String) throws -> String {
      try place.succeed(["tokenize", "--model", "model", "--", text]).output
    }
    #expect(try ids("--a_b") != ids("--a-b"))
  }

  // MARK: - inspect

  @Test func inspectPrintsTheParts() throws {
    let text = try place.succeed(["inspect", "model"]).output
    for word in ["unet", "text_encoder", "vae", "in 304 tensors, F32", "16x16 pixels", "epsilon"] {
      #expect(text.contains(word), "\(text)")
    }
  }

  @Test func inspectPrintsTheSameAsJSON() throws {
    let outcome = try place.succeed(["inspect", "--json", "model"])
    let report = try #require(JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let parts = try #require(report["parts"] as? [[String: Any]])
    #expect(parts.map { $0["name"] as? String } == ["unet", "text_encoder", "vae"])
    for part in parts {
      let name = try #require(part["name"] as? String)
      let kind = try #require(ModelPart(rawValue: name))
      let weights = try SafetensorsFile(place.file("model/\(kind.weightsFile)"))
      #expect(part["dtypes"] as? [String] == ["F32"])
      // Files also hold the positions' numbers, which are no parameters.
      let floats = weights.entries.values.filter { $0.dtype == .float32 }
      #expect(part["tensors"] as? Int == floats.count)
      #expect(part["parameters"] as? Int == floats.reduce(0) { $0 + $1.shape.count })
    }
    #expect(report["resolution"] as? Int == 16)
    let memory = try #require(report["training_memory"] as? [[String: Any]])
    #expect(memory.count == 4)
    #expect(memory.allSatisfy { ($0["bytes"] as? Int ?? 0) > 0 })
  }

  // MARK: - init

  @Test func equalSeedsGiveEqualModels() throws {
    for (name, seed) in [("one", "5"), ("again", "5"), ("other", "6")] {
      try place.succeed(["init", "--like", "model", "--seed", seed, name])
    }
    try place.succeed(["init", "--half", "--like", "one", "--seed", "5", "small"])
    let one = try place.tree("one")
    #expect(one.keys.contains("unet/diffusion_pytorch_model.safetensors"))
    #expect(try place.tree("again") == one)
    let other = try place.tree("other")
    let differing = one.keys.filter { one[$0] != other[$0] }
    #expect(
      differing.sorted() == [
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ])
    #expect(try place.succeed(["inspect", "small"]).output.contains("F16"))
  }

  @Test func initOverwritesNothing() throws {
    try place.expectRefusal(["init", "--like", "model", "model"], naming: ["model exists already"])
    try place.expectRefusal(["init", "--like", "model", "photos"], naming: ["photos exists already"])
    try place.expectRefusal(
      ["init", "--like", "sd15", "model/unet/config.json"], naming: ["config.json exists already"])
    try place.makeFolder("empty")
    try place.succeed(["init", "--like", "model", "empty"])
    try place.succeed(["inspect", "empty"])
  }

  // MARK: - trace

  @Test func tracedStepsAreThoseOfPyTorch() throws {
    let goldens = Fixtures.folder.appending(path: "goldens/train-step")
    try place.copy(goldens.appending(path: "sd1-prior.inputs.safetensors"), to: "in.safetensors")
    try place.succeed([
      "trace", "--model", "model", "--inputs", "in.safetensors", "--output", "results/out.safetensors",
      "--with-prior-preservation", "--prior_loss_weight", "1", "--learning_rate", "1e-4", "--steps", "10",
    ])
    let found = try SafetensorsFile(place.file("results/out.safetensors"))
    let expected = try SafetensorsFile(goldens.appending(path: "sd1-prior.outputs.safetensors"))
    let isParameter = { (name: String) in name.hasPrefix("param.") }
    #expect(found.names.filter { !isParameter($0) }.sorted() == expected.names.sorted())
    #expect(found.names.count(where: isParameter) == found.names.count { $0.hasPrefix("grad.") })
    for name in ["loss", "loss.instance", "loss.prior", "losses", "model_pred", "encoder_hidden_states"] {
      #expect(try relativeError(found.floats(name), expected.floats(name)) < Tolerance.forward, "\(name)")
    }
    let gradient = "grad.unet.conv_in.weight"
    #expect(try relativeError(found.floats(gradient), expected.floats(gradient)) < Tolerance.gradient)
  }

  @Test func tracedNumbersMustFit() throws {
    let inputs = Fixtures.folder.appending(path: "goldens/train-step/sd1-prior.inputs.safetensors")
    try place.copy(inputs, to: "in.safetensors")
    let device = CPUBackend()
    let stored = try SafetensorsFile(inputs)
    func change(_ name: String, _ tensor: Tensor?) throws {
      var items = try stored.names.filter { $0 != name }.map { name in
        let shape = try stored.entry(name).shape
        return switch name {
        case "timesteps", "input_ids": TensorItem(name, Tensor(try stored.int32s(name), shape, on: device))
        default: TensorItem(name, Tensor(try stored.floats(name), shape, on: device))
        }
      }
      if let tensor { items.append(TensorItem(name, tensor)) }
      try SafetensorsWriter.write(items, to: place.file("bad.safetensors"))
    }
    func trace(_ input: String, _ others: [String] = []) -> [String] {
      ["trace", "--model", "model", "--inputs", input, "--output", "out.safetensors"] + others
    }
    try change("noise", nil)
    try place.expectRefusal(trace("bad.safetensors"), naming: ["bad.safetensors", "'noise'"])
    try change("latents", Tensor(repeating: 0, [4, 4, 6, 8], on: device))
    try place.expectRefusal(trace("bad.safetensors"), naming: ["'latents'", "[4, 4, 6, 8]", "[4, 4, 6, 9]"])
    try change("timesteps", Tensor([Int32](repeating: 1000, count: 4), [4], on: device))
    try place.expectRefusal(trace("bad.safetensors"), naming: ["'timesteps'", "1000", "999"])
    try change("input_ids", Tensor([Int32](repeating: -1, count: 4 * 77), [4, 77], on: device))
    try place.expectRefusal(trace("bad.safetensors"), naming: ["'input_ids'", "-1"])
    try place.remove("bad.safetensors")
    try place.expectRefusal(trace("nowhere"), naming: ["nowhere", "No such file"])
    try place.expectRefusal(trace("photos/rgb8.png"), naming: ["rgb8.png"])
    try place.expectRefusal(trace("in.safetensors", ["--steps", "-1"]), naming: ["--steps is -1"])
    try place.expectRefusal(trace("in.safetensors", ["--learning-rate", "nan"]), naming: ["--learning-rate is nan"])
    try place.expectRefusal(trace("in.safetensors", ["--prior-loss-weight=-1"]), naming: ["--prior-loss-weight is -1"])
    try place.expectRefusal(trace("in.safetensors", ["--precision", "fp16"]), naming: ["--precision fp16", "fp32"])
    try place.expectRefusal(trace("in.safetensors", ["--device", "cuda:99"]), naming: ["--device cuda:99"])
    try place.expectRefusal(trace("in.safetensors", ["--output", "in.safetensors/x"]), naming: ["in.safetensors/x"])
    try place.expectRefusal(trace("in.safetensors", ["--output", "photos"]), naming: ["photos", "Is a directory"])
  }
}
