import Foundation
import TestSupport
import Testing

/// Ctrl-C and requests to terminate.
@Suite struct InterruptTests {
  private let place: Workplace

  /// Long enough to be interrupted long before its end.
  private static let stepCount = 500

  init() throws {
    place = try Workplace()
  }

  private func training(_ folder: String, _ others: [String] = []) -> [String] {
    place.training(
      [
        "--output_dir", folder, "--max_train_steps", "\(Self.stepCount)", "--checkpointing_steps", "100000",
      ] + others)
  }

  /// Waits until a condition holds or the program has ended.
  private func wait(_ program: Program, until isMet: () throws -> Bool) throws {
    while try program.isRunning && !isMet() { Thread.sleep(forTimeInterval: 0.002) }
  }

  @Test func anInterruptedRunGoesOnAsIfNothingHadHappened() throws {
    try place.succeed(training("whole"))
    for (folder, signal) in [("interrupted", SIGINT), ("terminated", SIGTERM)] {
      let program = try place.start(training(folder))
      try wait(program) { try place.exists("\(folder)/log.jsonl") && lineCount("\(folder)/log.jsonl") > 3 }
      program.send(signal)
      let outcome = try program.finish()
      #expect(outcome.hasExited && outcome.status == 0, "\(outcome)")
      #expect(outcome.errors.contains("Stopping after this step; a checkpoint will be saved."))
      #expect(outcome.errors.contains("Continue with --resume-from-checkpoint latest (checkpoint-"))
      let names = try place.names(folder)
      #expect(names.count == 2 && names[0].hasPrefix("checkpoint-") && names[1] == "log.jsonl", "\(names)")
      let resumed = try place.succeed(training(folder, ["--resume_from_checkpoint", "latest"]))
      #expect(resumed.errors.contains("Going on after step "))
      #expect(try lineCount("\(folder)/log.jsonl") == 1 + Self.stepCount)
      for part in ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"] {
        #expect(try place.data("\(folder)/\(part)") == place.data("whole/\(part)"), "\(part)")
      }
    }
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func theSecondSignalEndsTheProgramAtOnce(_ signal: Int32) throws {
    // One step of a minute or so.
    let program = try place.start(
      training("out", ["--gradient_accumulation_steps", "1024", "--train_batch_size", "4", "--resolution", "32"]))
    try wait(program) { place.exists("out/log.jsonl") }
    program.send(signal)
    try wait(program) { try program.errorsSoFar().contains("Stopping") }
    #expect(program.isRunning)
    program.send(signal)
    let outcome = try program.finish()
    #expect(outcome.hasExited && outcome.status == 128 + signal, "\(outcome)")
    #expect(try place.names("out") == ["log.jsonl"])
  }

  @Test func classPicturesThatAreFinishedStay() throws {
    let arguments = [
      "class-images", "--pretrained_model_name_or_path", "model", "--class_data_dir", "class", "--class_prompt",
      "a dog",
      "--num_class_images", "100000", "--sample_batch_size", "1", "--class_inference_steps", "1", "--resolution", "16",
    ]
    let program = try place.start(arguments)
    try wait(program) { place.exists("class/class-00001.png") }
    program.send(SIGINT)
    let outcome = try program.finish()
    #expect(outcome.hasExited && outcome.status == 130, "\(outcome)")
    #expect(outcome.errors.contains("the pictures that are finished stay"))
    let pictures = try place.tree("class")
    #expect(pictures.count >= 2)
    #expect(pictures.keys.allSatisfy { $0.hasPrefix("class-") && $0.hasSuffix(".png") })
    #expect(Set(pictures.values).count == pictures.count)
  }

  /// A model is written whole or not at all, and what was there before stays.
  @Test(arguments: [SIGINT, SIGTERM])
  func aModelThatIsBeingWrittenLeavesNoTrace(_ signal: Int32) throws {
    // Seconds of random numbers.
    let configuration = try place.data("model/text_encoder/config.json")
    var options = try #require(JSONSerialization.jsonObject(with: configuration) as? [String: Any])
    options["intermediate_size"] = 1 << 17
    options["num_hidden_layers"] = 12
    try JSONSerialization.data(withJSONObject: options).write(to: place.file("model/text_encoder/config.json"))
    try place.makeFolder("out")
    let before = try place.tree()
    let program = try place.start(["init", "--like", "model", "out"])
    try wait(program) { try place.names("").contains { $0.hasPrefix(".unfinished-") } }
    program.send(signal)
    let outcome = try program.finish()
    #expect(outcome.hasExited && outcome.status == 130, "\(outcome)")
    #expect(outcome.errors.contains("Stopping; nothing is written."))
    #expect(try place.tree() == before)
  }

  private func lineCount(_ path: String) throws -> Int {
    try place.data(path).count { $0 == UInt8(ascii: "\n") }
  }
}
