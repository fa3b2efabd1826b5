import DreamBooth
import Foundation
import TestSupport
import Testing

@testable import dbtool

/// LoRAs and new words on the command line: training, conversion, merging, extraction, pictures.
@Suite struct LoRACommandTests {
  private let place: Workplace

  init() throws { place = try Workplace() }

  private func golden(_ name: String) -> String {
    Fixtures.folder.appending(path: "goldens/\(name).safetensors").path(percentEncoded: false)
  }

  private let model = "model"

  private func url(_ name: String) -> URL { place.file(name) }

  @Test(
    arguments: [
      ("a.safetensors", "a.safetensors", 1), ("a.safetensors:0.5", "a.safetensors", 0.5), ("a:-1e-1", "a", -0.1),
      ("a:b", "a:b", 1), ("a:b:2", "a:b", 2),
    ] as [(String, String, Float)])
  func aScaleMayFollowTheFile(_ text: String, _ path: String, _ scale: Float) throws {
    let option = try #require(LoRAOption(argument: text))
    #expect((option.path, option.scale) == (path, scale))
  }

  @Test(arguments: ["", ":1", "a:inf", "a:nan"])
  func otherTextsAreNoFileAndScale(_ text: String) { #expect(LoRAOption(argument: text) == nil) }

  @Test func aLoRAIsTrainedConvertedAndDrawnWith() throws {
    try place.succeed(
      place.training([
        "--lora", "--rank", "2", "--lora-alpha", "6", "--lora_dropout=0.1", "--target-modules", "to_q,conv1",
      ]))
    let trained = try LoRA(contentsOf: url("out/pytorch_lora_weights.safetensors"))
    #expect(trained.layers.allSatisfy { $0.rank == 2 && $0.alpha == 6 })
    #expect(Set(trained.layers.map { $0.name.split(separator: ".").last }) == ["to_q", "conv1"])
    #expect(!place.exists("out/model_index.json"))
    try place.succeed([
      "convert", "--format", "kohya", "out/pytorch_lora_weights.safetensors", "kohya.safetensors",
    ])
    #expect(try LoRA(contentsOf: url("kohya.safetensors")).layers == trained.layers)
    try place.succeed([
      "generate", "--model", model, "--prompt", "a dog", "--steps", "1", "--lora", "kohya.safetensors:0.5", "--output",
      "dog.png",
    ])
    #expect(place.exists("dog.png"))
  }

  @Test func aLoRAIsMergedAndExtracted() throws {
    try place.succeed(["lora", "merge", "--model", model, "--lora", golden("lora/sd1") + ":0.5", "merged"])
    let outcome = try place.succeed([
      "lora", "extract", "--model", "merged", "--base", model, "--rank", "4", "found.safetensors",
    ])
    #expect(outcome.output.hasPrefix("56 layers hold 100.0% of the difference."))
    try place.succeed(["convert", model, "model.ckpt"])
    try place.succeed([
      "lora", "merge", "--model", "model.ckpt", "--config", model, "--lora", golden("lora/sd1") + ":0.5", "again",
    ])
    let weights = "unet/diffusion_pytorch_model.safetensors"
    #expect(try place.data("again/\(weights)") == place.data("merged/\(weights)"))
    try place.succeed([
      "lora", "extract", "--model", "merged", "--base", "model.ckpt", "--config", model, "--rank", "4",
      "too.safetensors",
    ])
    #expect(try place.data("too.safetensors") == place.data("found.safetensors"))
    try place.expectRefusal(
      ["lora", "extract", "--model", model, "--base", model, "none.safetensors"], naming: ["have the same weights"])
    try place.expectRefusal(
      ["lora", "merge", "--model", model, "--lora", golden("lora/sd2"), "x"], naming: ["another model"])
    #expect(!place.exists("x"))
  }

  private func picture(_ model: String, _ others: [String] = []) throws -> Data {
    try place.succeed(
      ["generate", "--model", model, "--prompt", "a dog", "--steps", "2", "--seed", "3", "-o", "dog.png"] + others)
    return try place.data("dog.png")
  }

  /// What is computed alike gives the same bytes: one LoRA in both layouts, a model in all forms, nothing at a scale of 0.
  /// A LoRA that is merged is rounded with the weights, so its picture is another one, if only by that.
  @Test func equalComputationsGiveEqualPictures() throws {
    try place.succeed(place.training(["--lora", "--learning_rate", "0.1"]))
    let trained = "out/pytorch_lora_weights.safetensors"
    let (plain, applied) = (try picture("model"), try picture("model", ["--lora", trained]))
    #expect(plain != applied)
    try place.succeed(["convert", "--format", "kohya", trained, "kohya.safetensors"])
    #expect(try picture("model", ["--lora", "kohya.safetensors"]) == applied)
    #expect(try picture("model", ["--lora", "\(trained):0"]) == plain)
    let both = ["--lora", trained, "--lora", "kohya.safetensors:-1"]
    #expect(try picture("model", both) == plain)

    try place.succeed(["lora", "merge", "--model", "model", "--lora", trained, "merged"])
    let merged = try picture("merged")
    #expect(merged != plain)
    try place.succeed(["convert", "model", "model.ckpt"])
    let single = ["--model", "model.ckpt", "--config", "model"]
    try place.succeed(["lora", "merge"] + single + ["--lora", "kohya.safetensors", "again"])
    try place.succeed(["convert", "again", "merged.safetensors"])
    #expect(try picture("again") == merged)
    #expect(try picture("merged.safetensors", ["--config", "model"]) == merged)
  }

  /// Other programs know files by their names, and nothing that is there gets lost.
  @Test func filesGetTheEndingOfTheirKindAndReplaceNothing() throws {
    try place.copy(URL(filePath: golden("lora/sd1")), to: "mine.safetensors")
    let word = golden("textual-inversion/diffusers")
    let lora = ["convert", "--format", "kohya", "mine.safetensors"]
    try place.expectRefusal(lora + ["mine.safetensors"], naming: ["mine.safetensors exists already"])
    try place.expectRefusal(lora + ["new.ckpt"], naming: ["new.ckpt must end in .safetensors"])
    for (layout, wrong, ending) in [("automatic1111", "w.safetensors", ".pt"), ("kohya", "w.pt", ".safetensors")] {
      try place.expectRefusal(["convert", "--format", layout, word, wrong], naming: [wrong, "end in \(ending)"])
    }
    try place.expectRefusal(
      ["convert", "--format", "kohya", word, "mine.safetensors"], naming: ["mine.safetensors exists already"])
    try place.expectRefusal(
      ["lora", "extract", "--model", model, "--base", model, "mine.safetensors"], naming: ["exists already"])
  }

  @Test func numbersAreRoundedOnRequest() throws {
    try place.succeed(["convert", "--format", "kohya", "--half", golden("lora/sd1"), "half.safetensors"])
    let (found, exact) = (
      try LoRA(contentsOf: url("half.safetensors")), try LoRA(contentsOf: URL(filePath: golden("lora/sd1")))
    )
    for (layer, expected) in zip(found.layers, exact.layers) {
      #expect(layer.alpha == expected.alpha && layer.down.dtype == .float16 && layer.up.dtype == .float16)
      #expect(layer.down.numbers == expected.down.numbers.map { Float(Float16($0)) })
      #expect(layer.up.numbers == expected.up.numbers.map { Float(Float16($0)) })
    }
    let source = golden("textual-inversion/diffusers")
    try place.succeed(["convert", "--bf16", source, "word.pt"])
    let word = try TextualInversion(contentsOf: url("word.pt"))
    #expect(word.dtype == .bfloat16)
    #expect(
      try place.succeed(["inspect", "word.pt"]).output.hasPrefix("a textual inversion (PyTorch archive): 1 tensors"))
    #expect(
      word.vectors == (try TextualInversion(contentsOf: URL(filePath: source))).vectors.map { BFloat16($0).float })
  }

  @Test func aFormMustFitWhatIsConverted() throws {
    let (lora, word) = (golden("lora/sd1"), golden("textual-inversion/diffusers"))
    for form in [[], ["--format", "ckpt"], ["--format", "automatic1111"]] {
      try place.expectRefusal(
        ["convert", lora, "x.safetensors"] + form, naming: ["is a LoRA", "--format diffusers or kohya"])
    }
    try place.expectRefusal(["convert", word, "x.safetensors", "--format", "ckpt"], naming: ["is a textual inversion"])
    try place.expectRefusal(["convert", model, "x", "--format", "kohya"], naming: ["model is a model", "ckpt"])
    try place.expectRefusal(
      ["convert", lora, "x.safetensors", "--format", "kohya", "--ema"], naming: ["--ema goes with models only"])
    try place.expectRefusal(
      ["convert", word, "x.safetensors", "--config", "model"], naming: ["--config goes with models only"])
    for input in [model, word] {
      try place.expectRefusal(["convert", input, "x.safetensors", "--fold-scale"], naming: ["--fold-scale", "LoRAs"])
    }
    #expect(!place.exists("x") && !place.exists("x.safetensors"))
  }

  @Test func optionsOfLoRAsNeedALoRA() throws {
    try place.expectRefusal(place.training(["--rank", "8"]), naming: ["--rank goes with --lora only"])
    try place.expectRefusal(place.training(["--lora", "--rank", "0"]), naming: ["--rank 0"])
  }

  @Test func wordsAreConvertedAndDrawnWith() throws {
    let source = golden("textual-inversion/diffusers")
    try place.succeed(["convert", source, "word.pt"])
    try place.succeed(["convert", "--format", "kohya", "word.pt", "pet.safetensors"])
    let (first, last) = (
      try TextualInversion(contentsOf: URL(filePath: source)), try TextualInversion(contentsOf: url("pet.safetensors"))
    )
    #expect((first.word, last.word) == ("<sks-dog>", "pet"))
    #expect(first.vectors == last.vectors)
    try place.succeed([
      "generate", "--model", model, "--prompt", "a photo of pet", "--steps", "1", "--embedding", "pet.safetensors",
      "--output", "pet.png",
    ])
    #expect(place.exists("pet.png"))
  }

  @Test func aWordIsLearned() throws {
    var arguments = place.training([
      "--placeholder-token", "<pet>", "--initializer-token", "dog", "--num-vectors", "2", "--no-train-unet",
    ])
    arguments = arguments.map { $0.contains("sks") ? "a photo of <pet>" : $0 }
    try place.succeed(arguments)
    let word = try TextualInversion(contentsOf: url("out/learned_embeds.safetensors"))
    #expect((word.word, word.count) == ("<pet>", 2))
  }
}
