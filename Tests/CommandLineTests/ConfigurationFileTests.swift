import Foundation
import TestSupport
import Testing

@testable import dbtool

/// YAML files of options.
@Suite struct ConfigurationFileTests {
  private let folder: TemporaryFolder
  private var path: String { folder.url.appending(path: "run.yaml").path(percentEncoded: false) }

  init() throws {
    folder = try TemporaryFolder()
  }

  private func arguments(_ yaml: String) throws -> [String] {
    try Data(yaml.utf8).write(to: URL(filePath: path))
    return try ConfigurationFile.arguments(path)
  }

  @Test(arguments: [
    ("seed: 3", ["--seed=3"]),
    ("max_train_steps: 400\nlearning-rate: 5e-6", ["--max-train-steps=400", "--learning-rate=5e-6"]),
    ("instance_prompt: a photo of sks_dog", ["--instance-prompt=a photo of sks_dog"]),
    ("class_prompt: \"a \\\"good\\\" dog: yes\"", ["--class-prompt=a \"good\" dog: yes"]),
    ("class_prompt: 'it''s # a dog' # not a part", ["--class-prompt=it's # a dog"]),
    ("class_prompt: >\n  a dog\n  on a beach\n", ["--class-prompt=a dog on a beach\n"]),
    ("lr_power: -1", ["--lr-power=-1"]), ("\u{FEFF}seed: 3", ["--seed=3"]),
    ("seed: &a 3\nsteps: *a", ["--seed=3", "--steps=3"]),
    ("", []), ("# nothing\n", []), ("---\n", []),
  ])
  func valuesBecomeArguments(_ yaml: String, _ expected: [String]) throws {
    #expect(try arguments(yaml) == expected)
  }

  @Test(arguments: ["true", "True", "yes", "on"])
  func truthSetsAFlag(_ word: String) throws {
    #expect(try arguments("center_crop: \(word)") == ["--center-crop"])
  }

  @Test(arguments: ["false", "False", "no", "off"])
  func falsehoodNegatesAFlag(_ word: String) throws {
    #expect(try arguments("center_crop: \(word)") == ["--no-center-crop"])
  }

  @Test(arguments: ["no", "off", "'no'"])
  func noPrecisionIsAWord(_ word: String) throws {
    #expect(try arguments("mixed_precision: \(word)") == ["--mixed-precision=no"])
    #expect(try arguments("mixed-precision: bf16") == ["--mixed-precision=bf16"])
  }

  @Test(arguments: ["'true'", "\"no\"", "\"null\"", "'~'"])
  func inQuotesAWordIsAText(_ word: String) throws {
    #expect(try arguments("class_prompt: \(word)") == ["--class-prompt=\(word.dropFirst().dropLast())"])
  }

  @Test(arguments: ["", "null", "~"])
  func anEmptyValueLeavesTheOptionOut(_ word: String) throws {
    #expect(try arguments("class_prompt: \(word)\nseed: 1") == ["--seed=1"])
  }

  /// Files that cannot be used, and a word of the message each must give.
  @Test(arguments: [
    ("seed: [1, 2]", "'seed' must have a single value"), ("seed:\n  value: 1", "'seed' must have a single value"),
    ("[a]: 1", "'?' must have a single value"), ("- seed", "name: value"), ("seed", "name: value"),
    ("seed: 1\nseed: 2", "'seed' twice"), ("seed: 1\nprompt: \"a", "line 2"), ("a: b: c", "line 1"),
    ("seed: 1\n---\nseed: 2", "line 2"), ("seed: \u{1}", "control characters"),
    ("seed: \(String(repeating: "[", count: 50_000))", "nested"),
    ("seed: \(String(repeating: "[", count: 100_000))", "more than the 65536"),
  ])
  func brokenFilesAreNamed(_ yaml: String, _ problem: String) throws {
    let error = #expect(throws: ConfigurationFileError.self) { try arguments(yaml) }
    let message = try #require(error).description
    #expect(
      message.hasPrefix("\(path): ") && message.contains(problem) && message.count < path.count + 120, "\(message)")
  }

  @Test func filesThatCannotBeReadAreNamed() throws {
    try Data([0xFF, 0xFE, 0xFF]).write(to: URL(filePath: path))
    for file in [path, folder.url.path(percentEncoded: false), "/nowhere/run.yaml"] {
      let error = #expect(throws: ConfigurationFileError.self) { try ConfigurationFile.arguments(file) }
      #expect(error?.description.hasPrefix("\(file): cannot be read") == true, "\(String(describing: error))")
    }
  }

  // MARK: - In the program

  @Test func aRunFollowsItsFileAndTheCommandLineWins() throws {
    let place = try Workplace()
    try place.write(
      """
      pretrained_model_name_or_path: model
      instance_data_dir: photos
      instance-prompt: "a photo of sks dog"
      output_dir: out
      resolution: 16
      train_batch_size: 1
      max_train_steps: 3
      center_crop: false
      random_flip: true
      lr_scheduler: cosine
      mixed_precision: no
      use_8bit_adam: true
      class_prompt:
      seed: 5
      """, to: "run.yaml")
    try place.succeed(["train", "--config", "run.yaml", "--max_train_steps=2", "--no-random-flip"])
    let first = try #require(try place.data("out/log.jsonl").split(separator: UInt8(ascii: "\n")).first)
    let line = try #require(JSONSerialization.jsonObject(with: first) as? [String: [String: Any]])
    let options = try #require(line["configuration"])
    #expect(options["max_train_steps"] as? Int == 2)
    #expect(options["seed"] as? Int == 5)
    #expect(options["mixed_precision"] as? String == "no")
    #expect(options["center_crop"] as? Bool == false)
    #expect(options["random_flip"] as? Bool == false)
    #expect(options["use_8bit_adam"] as? Bool == true)
    #expect(options["lr_scheduler"] as? String == "cosine")
    #expect(options["instance_prompt"] as? String == "a photo of sks dog")
  }

  @Test func flagsOfEveryCommandMayBeFalse() throws {
    let place = try Workplace()
    try place.write("json: false", to: "inspect.yaml")
    #expect(try place.succeed(["inspect", "--json", "model"]).output.hasPrefix("{"))
    #expect(!(try place.succeed(["inspect", "--config", "inspect.yaml", "model"]).output.hasPrefix("{")))
    try place.write("half: false\nlike: model", to: "init.yaml")
    try place.succeed(["init", "--config", "init.yaml", "new"])
    #expect(try place.succeed(["inspect", "new"]).output.contains("F32"))
  }

  @Test(arguments: [("colour: red", "--colour"), ("train_batch_size: many", "many"), ("seed: [1]", "seed")])
  func theProgramNamesWhatIsWrong(_ yaml: String, _ word: String) throws {
    let place = try Workplace()
    try place.write(yaml, to: "run.yaml")
    try place.expectRefusal(place.training(["--config", "run.yaml"]), naming: [word])
  }

  @Test func theProgramNamesAFileThatIsMissing() throws {
    let place = try Workplace()
    try place.expectRefusal(place.training(["--config", "nowhere.yaml"]), naming: ["nowhere.yaml", "cannot be read"])
  }
}
