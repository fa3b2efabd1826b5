import DreamBooth
import Foundation
import TestSupport
import Testing

/// `train`, from photos to a model that opens again.
@Suite struct TrainCommandTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  /// The tensors that a run has written.
  private func tensors(_ folder: String) throws -> [String: Data] {
    try place.tree(folder).filter { $0.key.hasSuffix(".safetensors") }
  }

  /// The steps in the log of a run.
  private func steps() throws -> [StepRecord] {
    let decoder = JSONDecoder()
    let lines = try place.data("out/log.jsonl").split(separator: UInt8(ascii: "\n"))
    return try lines.dropFirst().map { try decoder.decode(StepRecord.self, from: $0) }
  }

  @Test func aRunWritesItsModelLogAndSamples() throws {
    let model = try place.tree("model")
    let outcome = try place.succeed(
      place.training([
        "--train_text_encoder", "--validation_prompt", "sks dog", "--validation_steps=2", "--num_validation_images=1",
        "--validation_inference_steps=2",
      ]))
    #expect(outcome.output.hasSuffix("/out/\n"))
    #expect(outcome.errors.contains("\nstep 4 of 4  loss "))
    #expect(try steps().map(\.step) == [1, 2, 3, 4])
    #expect(try steps().allSatisfy { $0.learningRate == 1e-3 && $0.loss > 0 && $0.priorLoss == nil })
    for step in [2, 4] { #expect(place.exists("out/samples/step-\(step)/0.png")) }
    #expect(try place.tree("model") == model)
    for part in ["unet/diffusion_pytorch_model", "text_encoder/model"] {
      #expect(try place.data("out/\(part).safetensors") != place.data("model/\(part).safetensors"))
    }
    try place.succeed(["inspect", "out"])
    try place.succeed(["generate", "--model", "out", "--prompt", "sks dog", "--steps", "2", "--output", "after.png"])
    #expect(place.exists("after.png"))
  }

  @Test func missingClassPicturesAreMadeAndTrainedOn() throws {
    let arguments = place.training([
      "--with_prior_preservation", "--class_data_dir", "class", "--class_prompt", "a photo of a dog",
      "--num_class_images", "3", "--class_inference_steps", "2",
    ])
    let outcome = try place.succeed(arguments)
    #expect(outcome.errors.contains("Generating class pictures: 3 of 3\n"))
    #expect(outcome.errors.contains("(instance "))
    #expect(try place.names("class") == ["class-00000.png", "class-00001.png", "class-00002.png"])
    #expect(try steps().allSatisfy { $0.priorLoss ?? 0 > 0 })
    let pictures = try place.tree("class")
    try place.remove("out")
    let second = try place.succeed(arguments)
    #expect(!second.errors.contains("Generating"))
    #expect(try place.tree("class") == pictures)
  }

  @Test func equalSeedsGiveEqualModels() throws {
    for (folder, seed) in [("one", "1"), ("again", "1"), ("other", "2")] {
      try place.succeed(place.training(["--output_dir", folder, "--seed", seed, "--random_flip", "--no-center-crop"]))
    }
    let one = try tensors("one")
    #expect(try tensors("again") == one)
    #expect(try tensors("other") != one)
  }

  @Test func checkpointsAreLimitedAndResumed() throws {
    let whole = ["--checkpointing_steps", "2", "--max_train_steps", "8"]
    try place.succeed(place.training(whole + ["--output_dir", "whole"]))
    try place.succeed(place.training(whole + ["--max_train_steps", "5", "--checkpoints_total_limit", "2"]))
    #expect(try place.names("out").filter { $0.hasPrefix("checkpoint") } == ["checkpoint-2", "checkpoint-4"])
    let resumed = try place.succeed(
      place.training(whole + ["--resume_from_checkpoint", "latest", "--checkpoints_total_limit", "2"]))
    #expect(resumed.errors.contains("Going on after step 4 from "))
    #expect(try place.names("out").filter { $0.hasPrefix("checkpoint") } == ["checkpoint-6", "checkpoint-8"])
    #expect(try steps().map(\.step) == Array(1...8))
    let expected = try tensors("whole")
    let found = try tensors("out")
    #expect(found.keys.contains("unet/diffusion_pytorch_model.safetensors"))
    for (path, data) in found { #expect(data == expected[path], "\(path)") }
  }

  @Test func filesThatAreNoPhotosAreNamed() throws {
    try place.write("", to: "photos/.DS_Store")
    try place.write("a dog", to: "photos/caption.txt")
    let outcome = try place.succeed(place.training())
    #expect(outcome.errors.contains("warning: photos: not used: .DS_Store (hidden file), caption.txt (text)"))
  }

  @Test func helpExplainsEveryOption() throws {
    let help = try place.succeed(["help", "train"]).output
    for option in TrainingConfiguration.CodingKeys.allCases {
      #expect(help.contains("--\(option.rawValue.replacing("_", with: "-"))"), "\(option)")
    }
    #expect(try place.succeed(["--version"]).output == "\(DreamBoothVersion.current)\n")
  }
}
