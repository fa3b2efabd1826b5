import DreamBooth
import Foundation
import TestSupport
import Testing

/// `generate` and `class-images`.
@Suite struct PictureCommandTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  private func generate(_ others: [String]) -> [String] { ["generate", "--model", "model", "--steps", "3"] + others }

  private func pixels(_ path: String) throws -> [UInt8] { try Image(contentsOf: place.file(path)).pixels }

  // MARK: - generate

  @Test func equalSeedsGiveEqualBytes() throws {
    for (name, seed) in [("one", "4"), ("again", "4"), ("other", "5")] {
      let outcome = try place.succeed(generate(["--prompt", "a dog", "--seed", seed, "--output", "\(name).png"]))
      #expect(outcome.output == "\(name).png\n")
    }
    let image = try Image(contentsOf: place.file("one.png"))
    #expect((image.width, image.height) == (16, 16))
    #expect(try place.data("one.png") == place.data("again.png"))
    #expect(try pixels("one.png") != pixels("other.png"))
  }

  @Test func picturesOfABatchAreThoseMadeAlone() throws {
    let prompts = ["--prompt", "a dog", "--prompt", "a cat"]
    let outcome = try place.succeed(generate(prompts + ["--num_images", "2", "--seed", "8", "--output", "many"]))
    #expect(outcome.output == (0..<4).map { "many/00\($0).png\n" }.joined())
    #expect(try place.names("many") == ["000.png", "001.png", "002.png", "003.png"])
    try place.succeed(generate(["--prompt", "a cat", "--seed", "10", "--output", "alone.png"]))
    let (together, alone) = (try pixels("many/002.png"), try pixels("alone.png"))
    // Sums over larger batches may be taken in another order.
    #expect(zip(together, alone).allSatisfy { abs(Int($0) - Int($1)) <= Tolerance.pixelLevels })
  }

  @Test func negativePromptsAndSizesCount() throws {
    let plain = ["--prompt", "a dog", "--seed", "1"]
    try place.succeed(generate(plain + ["--output", "plain.png"]))
    try place.succeed(generate(plain + ["--negative_prompt", "", "--output", "empty.png"]))
    try place.succeed(generate(plain + ["--negative_prompt", "a cat", "--output", "negative.png"]))
    try place.succeed(generate(plain + ["--height", "32", "--width", "24", "--scheduler", "ddim", "-o", "large.png"]))
    #expect(try pixels("plain.png") == pixels("empty.png"))
    #expect(try pixels("plain.png") != pixels("negative.png"))
    let large = try Image(contentsOf: place.file("large.png"))
    #expect((large.width, large.height) == (24, 32))
  }

  /// The tiny models have too few channels for it to matter.
  @Test func fastConvolutionsChangeTheLastDigits() throws {
    let picture = [
      "generate", "--model", Fixtures.baseModel.path(percentEncoded: false), "--prompt", "a dog", "--steps", "3",
      "--seed", "1",
    ]
    try place.succeed(picture + ["--save_latents", "exact.safetensors", "--output", "exact.png"])
    try place.succeed(
      picture + ["--fast-convolution", "--save_latents", "fast.safetensors", "--output", "fast.png"])
    let exact = try SafetensorsFile(place.file("exact.safetensors")).floats("latents")
    let fast = try SafetensorsFile(place.file("fast.safetensors")).floats("latents")
    #expect(exact != fast)
    #expect(relativeError(fast, exact) < Tolerance.sampledLatents)
  }

  private struct Walk: Decodable {
    let prompts: [String]
    let negativePrompts: [String]
  }

  @Test func latentsGoInAndOutAsInDiffusers() throws {
    let name = "sampling-tiny-sd1-ddim"
    let (golden, walk) = (try Fixtures.golden(name), try Fixtures.golden(name, as: Walk.self))
    try place.copy(Fixtures.folder.appending(path: "goldens/\(name).safetensors"), to: "start.safetensors")
    let texts = walk.prompts.flatMap { ["--prompt", $0] } + walk.negativePrompts.flatMap { ["--negative_prompt", $0] }
    let sizes = ["--height", "16", "--width", "24", "--steps", "20", "--scheduler", "ddim"]
    let files = ["--latents", "start.safetensors", "--save_latents", "new/final.safetensors", "--output", "pictures"]
    try place.succeed(generate(texts + sizes + files))
    let final = try SafetensorsFile(place.file("new/final.safetensors"))
    #expect(try final.entry("latents").shape == golden.entry("final").shape)
    #expect(try relativeError(final.floats("latents"), golden.floats("final")) < Tolerance.sampledLatents)
    // The start decides, not the seed.
    try place.succeed(generate(texts + sizes + files + ["--seed", "99", "--output", "again"]))
    #expect(try pixels("pictures/001.png") == pixels("again/001.png"))
  }

  // MARK: - class-images

  private func classImages(_ others: [String]) -> [String] {
    [
      "class-images", "--pretrained_model_name_or_path", "model", "--class_prompt", "a dog", "--class_data_dir",
      "class",
      "--class_inference_steps", "2", "--resolution", "16", "--seed", "3",
    ] + others
  }

  @Test func anInterruptedFolderIsFilledUpWithoutRepeats() throws {
    try place.succeed(classImages(["--num_class_images", "3", "--sample_batch_size", "2"]))
    let first = try place.tree("class")
    #expect(first.count == 3)
    try place.remove("class/class-00001.png")
    try place.succeed(classImages(["--num_class_images", "5", "--sample_batch_size", "1"]))
    let second = try place.tree("class")
    #expect(second.keys.sorted() == (0..<5).map { "class-0000\($0).png" })
    #expect(Set(second.values).count == 5)
    #expect(second["class-00000.png"] == first["class-00000.png"])
    #expect(second["class-00002.png"] == first["class-00002.png"])
    // All are there, so that nothing needs to be read, not even a model.
    try place.succeed(classImages(["--num_class_images", "5", "--pretrained-model-name-or-path", "nowhere"]))
    #expect(try place.tree("class") == second)
  }

  @Test func picturesOfTheUserCount() throws {
    try place.succeed(classImages(["--class_data_dir", "photos", "--num_class_images", "4"]))
    #expect(try place.names("photos") == ["class-00000.png", "exif6.jpg", "progressive.jpg", "rgb8.png"])
  }

  // MARK: - Bad input

  /// Options of `generate`, and the words that the complaint must have.
  @Test(arguments: [
    (["--steps", "-1"], ["-1 sampling steps"]), (["--steps", "0"], ["0 sampling steps"]),
    (["--steps", "5000"], ["5000", "1000"]), (["--height", "17"], ["height is 17", "multiple of 2"]),
    (["--width", "-16"], ["width is -16"]), (["--guidance-scale", "nan"], ["guidance scale is nan"]),
    (["--num-images", "-1"], ["--num-images is -1"]), (["--num-images", "1000000000"], ["--num-images is 1000000000"]),
    (["--seed", "-1"], ["-1", "--seed"]), (["--seed", "x"], ["x", "--seed"]),
    (["--scheduler", "euler"], ["euler", "ddim"]), (["--device", "tpu"], ["--device", "tpu"]),
    (["--device", "cuda", "--fast-convolution"], ["--fast-convolution", "--device cpu"]),
    (["--precision", "bf16"], ["--precision bf16", "fp32"]), (["--precision", "half"], ["half", "fp16"]),
    (["--latents", "nowhere"], ["nowhere"]), (["--latents", "photos/rgb8.png"], ["rgb8.png"]),
    (["--latents", "model/unet/diffusion_pytorch_model.safetensors"], ["'latents'"]),
    (["--output", "photos"], ["photos", "Is a directory"]),
    (["--output", "photos/rgb8.png/x.png"], ["rgb8.png/x.png", "Not a directory"]),
    (["--output", "/proc/x/y.png"], ["/proc/x", "cannot be written"]),
    (["--num-images", "2", "--output", "photos/rgb8.png"], ["rgb8.png", "Not a directory"]),
    (["--save-latents", "photos"], ["photos", "Is a directory"]),
    (["--model", "nowhere"], ["nowhere does not exist"]),
    (["--model", "photos/rgb8.png"], ["rgb8.png is neither a safetensors file"]),
    (["--model", "photos"], ["model_index.json"]),
    (["--frobnicate"], ["--frobnicate"]), (["extra"], ["extra"]),
  ])
  func generateRefuses(_ options: [String], _ words: [String]) throws {
    try place.expectRefusal(generate(["--prompt", "a dog", "--output", "out.png"] + options), naming: words)
  }

  @Test func generateNeedsAPromptAndAPlace() throws {
    try place.expectRefusal(generate(["--output", "out.png"]), naming: ["--prompt"])
    try place.expectRefusal(generate(["--prompt", "a dog"]), naming: ["--output"])
    let texts = ["--prompt", "a", "--prompt", "b", "--prompt", "c", "--negative-prompt", "d", "--negative-prompt", "e"]
    try place.expectRefusal(generate(texts + ["--output", "out"]), naming: ["--negative-prompt", "2", "3"])
  }

  /// Options of `class-images`, and the words that the complaint must have.
  @Test(arguments: [
    (["--num-class-images", "0"], ["--num-class-images is 0"]),
    (["--sample-batch-size", "-2"], ["--sample-batch-size is -2"]),
    (["--resolution", "17"], ["17", "multiple of 2"]), (["--guidance-scale", "inf"], ["guidance scale is inf"]),
    (["--class-inference-steps", "9999"], ["9999", "1000"]),
    (["--pretrained-model-name-or-path", "nowhere"], ["nowhere"]),
    (["--class-data-dir", "photos/rgb8.png"], ["rgb8.png", "Not a directory"]),
    (["--class-data-dir", "/proc/x"], ["/proc/x"]),
    (["--device", "tpu"], ["--device", "tpu"]),
    (["--device", "cuda", "--fast-convolution"], ["--fast-convolution", "--device cpu"]),
  ])
  func classImagesRefuses(_ options: [String], _ words: [String]) throws {
    try place.expectRefusal(classImages(options), naming: words)
  }
}
