import DreamBooth
import Foundation
import TestSupport
import Testing

/// `convert`, `merge`, and `inspect` of files.
@Suite struct ConvertCommandTests {
  private let place: Workplace

  init() throws { place = try Workplace() }

  /// A file's tensors by name, with their types.
  private func tensors(_ path: String) throws -> [String: [UInt8]] {
    let file = try TensorFileFormat.open(place.file(path))
    return Dictionary(
      uniqueKeysWithValues: file.entries.map { ("\($0.key) \($0.value.dtype) \($0.value.shape)", $0.value.bytes()) })
  }

  private func picture(_ model: String, _ others: [String] = []) throws -> Data {
    try place.succeed(
      ["generate", "--model", model, "--prompt", "a dog", "--steps", "2", "--seed", "3", "-o", "\(model).png"] + others)
    return try place.data("\(model).png")
  }

  // MARK: - convert

  @Test func aModelGoesThroughAllFormsUnharmed() throws {
    try place.succeed(["convert", "model", "one.ckpt"])
    try place.succeed(["convert", "one.ckpt", "two.safetensors", "--config", "model"])
    try place.succeed(["convert", "--config=model", "two.safetensors", "three"])
    try place.succeed(["convert", "three", "four.safetensors"])
    #expect(try tensors("one.ckpt") == tensors("two.safetensors"))
    #expect(try tensors("two.safetensors") == tensors("four.safetensors"))
    // What another form makes of the same weights is the same picture.
    let expected = try picture("model")
    #expect(try picture("two.safetensors", ["--config", "model"]) == expected)
    #expect(try picture("three") == expected)
    #expect(try picture("one.ckpt", ["--config", "model"]) == expected)
  }

  @Test func theFormMayBeNamed() throws {
    let outcome = try place.succeed(["convert", "model", "model.weights", "--format", "ckpt", "--half"])
    #expect(outcome.output == "model.weights\n")
    #expect(try TensorFileFormat(of: place.file("model.weights")) == .torchArchive)
    let types = Set(try TensorFileFormat.open(place.file("model.weights")).entries.values.map(\.dtype))
    #expect(types == [.float16, .int64])
    try place.succeed(["convert", "model", "small", "--bf16"])
    #expect(try ModelFolder(place.file("small")).storedTypes(of: .unet) == [.bfloat16])
  }

  @Test func partsThatAreNotUsedAreCarriedAlong() throws {
    try place.makeFolder("model/safety_checker")
    try place.makeFolder("model/feature_extractor")
    try place.write("weights", to: "model/safety_checker/model.safetensors")
    try place.write("{}", to: "model/feature_extractor/preprocessor_config.json")
    var index = try #require(JSONSerialization.jsonObject(with: place.data("model/model_index.json")) as? [String: Any])
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["requires_safety_checker"] = true
    try JSONSerialization.data(withJSONObject: index).write(to: place.file("model/model_index.json"))
    try place.succeed(["convert", "model", "copy"])
    try place.succeed(place.training(["--max_train_steps", "1"]))
    for model in ["copy", "out"] {
      #expect(try place.data("\(model)/safety_checker/model.safetensors") == Data("weights".utf8))
      #expect(try place.names("\(model)/feature_extractor") == ["preprocessor_config.json"])
      let written = try JSONSerialization.jsonObject(with: place.data("\(model)/model_index.json")) as? [String: Any]
      #expect(written?["requires_safety_checker"] as? Bool == true)
      #expect((written?["safety_checker"] as? [String])?.last == "StableDiffusionSafetyChecker")
    }
  }

  /// Makes a model take a mask and a picture.
  private func addMask(to model: String) throws {
    let file = try SafetensorsFile(place.file("\(model)/\(ModelPart.unet.weightsFile)"))
    let device = CPUBackend()
    let items = try file.names.map { name in
      name == "conv_in.weight"
        ? TensorItem(name, Tensor((0..<8 * 9 * 9).map(Float.init), [8, 9, 3, 3], on: device))
        : TensorItem(name, copying: try file.entry(name))
    }
    try SafetensorsWriter.write(items, to: place.file("\(model)/\(ModelPart.unet.weightsFile)"))
    for (path, key, value) in [
      ("unet/config.json", "in_channels", 9 as Any),
      ("model_index.json", "_class_name", "StableDiffusionInpaintPipeline"),
    ] {
      var members = try #require(JSONSerialization.jsonObject(with: place.data("\(model)/\(path)")) as? [String: Any])
      members[key] = value
      try JSONSerialization.data(withJSONObject: members).write(to: place.file("\(model)/\(path)"))
    }
  }

  @Test func modelsThatPaintIntoPicturesAreConverted() throws {
    try addMask(to: "model")
    try place.succeed(["convert", "model", "inpaint.safetensors"])
    let text = try place.succeed(["inspect", "inpaint.safetensors"]).output
    #expect(text.contains("Stable Diffusion 1.x, paints into pictures, in one file"), "\(text)")
    // The channels are those of the file, whatever the folder says.
    try place.copy(Fixtures.model("tiny-sd1"), to: "other")
    try place.succeed(["convert", "inpaint.safetensors", "back", "--config", "other"])
    #expect(try tensors("back/\(ModelPart.unet.weightsFile)") == tensors("model/\(ModelPart.unet.weightsFile)"))
    let index = try JSONSerialization.jsonObject(with: place.data("back/model_index.json")) as? [String: Any]
    #expect(index?["_class_name"] as? String == "StableDiffusionInpaintPipeline")
    try place.expectRefusal(
      ["generate", "--model", "back", "--prompt", "a dog", "-o", "x.png"], naming: ["StableDiffusionInpaintPipeline"])
  }

  @Test func conversionsThatCannotBeAreRefused() throws {
    try place.succeed(["convert", "model", "one.safetensors"])
    try place.expectRefusal(["convert", "one.safetensors", "new"], naming: ["one.safetensors", "--config"])
    try place.expectRefusal(["convert", "model", "one.safetensors"], naming: ["one.safetensors exists already"])
    try place.expectRefusal(["convert", "model", "photos"], naming: ["photos exists already"])
    try place.expectRefusal(["convert", "model", "x", "--half", "--bf16"], naming: ["--half", "--bf16"])
    try place.expectRefusal(["convert", "one.safetensors", "x", "--config", "model", "--ema"], naming: ["EMA"])
    try place.expectRefusal(["convert", "model", "x", "--variant", "fp16"], naming: ["unet", "'fp16'"])
    try place.expectRefusal(["convert", "nowhere", "x"], naming: ["nowhere does not exist"])
    try place.expectRefusal(["convert", "model/\(ModelPart.vae.weightsFile)", "x"], naming: ["the vae of a diffusers"])
  }

  @Test func aRunStartsFromASingleFile() throws {
    try place.succeed(place.training())
    let expected = try tensors("out/\(ModelPart.unet.weightsFile)")
    try place.succeed(["convert", "model", "one.safetensors"])
    let base = ["--pretrained_model_name_or_path", "one.safetensors", "--config", "model", "--output_dir", "out2"]
    try place.succeed(place.training(base))
    #expect(try tensors("out2/\(ModelPart.unet.weightsFile)") == expected)
  }

  // MARK: - merge

  /// The numbers of a tensor of a model's UNet.
  private func numbers(_ model: String) throws -> [Float] {
    try SafetensorsFile(place.file("\(model)/\(ModelPart.unet.weightsFile)")).floats("conv_in.weight")
  }

  @Test func modelsAreMerged() throws {
    for seed in 1...3 { try place.succeed(["init", "--like", "model", "--seed", "\(seed)", "m\(seed)"]) }
    let (a, b, c) = (try numbers("m1"), try numbers("m2"), try numbers("m3"))
    try place.succeed(["merge", "m1", "m2", "sum", "--multiplier", "0.25"])
    #expect(try numbers("sum") == zip(a, b).map { $0 * 0.75 + $1 * 0.25 })
    try place.succeed(["merge", "m1", "m2", "m3", "difference", "--add-difference", "--multiplier", "0.5"])
    #expect(try numbers("difference") == a.indices.map { a[$0] + (b[$0] - c[$0]) * 0.5 })
    try place.succeed(["merge", "m1", "m2", "m3", "mean", "--weights", "0.5,0.25,0.25"])
    #expect(try numbers("mean") == a.indices.map { a[$0] * 0.5 + b[$0] * 0.25 + c[$0] * 0.25 })
    try place.succeed(["merge", "m1", "m2", "extrapolated", "--weights", "-0.5,1.5"])
    #expect(try numbers("extrapolated") == zip(a, b).map { $0 * -0.5 + $1 * 1.5 })
    // A file and folders, into a file, in half precision.
    try place.succeed(["convert", "m2", "m2.ckpt"])
    try place.succeed(
      ["merge", "m1", "m2.ckpt", "sum.safetensors", "--multiplier", "0.25", "--half", "--config", "model"])
    let merged = try SafetensorsFile(place.file("sum.safetensors"))
    #expect(
      try merged.floats("model.diffusion_model.input_blocks.0.0.weight")
        == zip(a, b).map { Float(Float16($0 * 0.75 + $1 * 0.25)) })
  }

  /// The recipe by which any model learns to paint into pictures: its difference from the base, added to one that does.
  @Test func theMaskOfAnInpaintingModelStays() throws {
    for seed in 1...3 { try place.succeed(["init", "--like", "model", "--seed", "\(seed)", "m\(seed)"]) }
    try addMask(to: "m1")
    let (a, b, c) = (try numbers("m1"), try numbers("m2"), try numbers("m3"))
    try place.succeed(["merge", "m1", "m2", "m3", "difference", "--add-difference", "--multiplier", "1"])
    let found = try numbers("difference")
    #expect(found.count == 8 * 9 * 9)
    for (index, number) in found.enumerated() {
      let (channel, rest) = (index / 9 % 9, index % 9)
      let other = (index / 81 * 4 + channel) * 9 + rest
      #expect(number == (channel < 4 ? a[index] + (b[other] - c[other]) : a[index]))
    }
    try place.expectRefusal(["merge", "m2", "m1", "x"], naming: ["different shapes", "conv_in.weight"])
    try place.expectRefusal(["merge", "m1", "m1", "m2", "x", "--add-difference"], naming: ["conv_in.weight"])
  }

  @Test func mergesThatMakeNoSenseAreRefused() throws {
    try place.copy(Fixtures.model("tiny-sd2"), to: "other")
    try place.expectRefusal(["merge", "model", "other", "x"], naming: ["different shapes", "unet"])
    try place.expectRefusal(["merge", "model", "x"], naming: ["two or three models"])
    try place.expectRefusal(["merge", "model", "model", "model", "x"], naming: ["--add-difference"])
    try place.expectRefusal(["merge", "model", "model", "x", "--weights", "1,a"], naming: ["--weights is 1,a"])
    try place.expectRefusal(["merge", "model", "model", "photos"], naming: ["photos exists already"])
  }

  // MARK: - inspect

  @Test func filesAreNamedWithTheirHashes() throws {
    try place.succeed(["convert", "model", "one.safetensors"])
    let outcome = try place.succeed(["inspect", "--json", "one.safetensors", "--config", "model"])
    let report = try #require(JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect((report["parts"] as? [[String: Any]])?.count == 3)
    let file = try #require(report["file"] as? [String: Any])
    #expect(file["kind"] as? String == "Stable Diffusion 1.x, in one file")
    #expect(file["oddities"] as? [String] == [])
    let hashes = try #require(file["hashes"] as? [String: String])
    let bytes = try place.data("one.safetensors")
    func sha256(_ data: Data) throws -> String {
      try data.write(to: place.file("part"))
      return try SHA256.hexadecimal(place.file("part"))
    }
    let header = bytes.prefix(8).enumerated().reduce(8) { $0 + Int($1.element) << (8 * $1.offset) }
    #expect(try hashes["sha256"] == sha256(bytes))
    #expect(hashes["short"] == hashes["sha256"].map { String($0.prefix(10)) })
    #expect(try hashes["legacy"] == String(sha256(bytes.dropFirst(0x10_0000).prefix(0x1_0000)).prefix(8)))
    #expect(try hashes["autov3"] == String(sha256(bytes.dropFirst(header)).prefix(12)))
  }

  @Test func whatIsOddIsSaid() throws {
    try place.succeed(["convert", "model", "one.safetensors"])
    let file = try SafetensorsFile(place.file("one.safetensors"))
    let device = CPUBackend()
    var items: [TensorItem] = []
    for name in file.names {
      let item = TensorItem(name, copying: try file.entry(name))
      let isPositions = name.hasSuffix("position_ids")
      items.append(isPositions ? TensorItem(name, Tensor(repeating: 1, [1, 77], on: device)) : item)
    }
    items.append(TensorItem("betas", Tensor(repeating: 0, [4], on: device)))
    items.append(TensorItem("first_stage_model.half", Tensor(repeating: 0, [4], on: device)).converted(to: .float16))
    try SafetensorsWriter.write(items, to: place.file("odd.safetensors"))
    let oddities = try WeightFileReport(place.file("odd.safetensors")).oddities.joined(separator: "\n")
    for words in ["position_ids are damaged", "belong to no network: betas", "several types: F16, F32"] {
      #expect(oddities.contains(words), "\(oddities)")
    }
    let part = try place.succeed(["inspect", "model/\(ModelPart.vae.weightsFile)"]).output
    #expect(part.contains("the vae of a diffusers folder"))
    try place.expectRefusal(["inspect", "photos/rgb8.png"], naming: ["rgb8.png is neither a safetensors file"])
  }
}
