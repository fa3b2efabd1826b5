import Foundation
import TestSupport
import Testing

@testable import dbtool

/// What becomes of the arguments before they are parsed.
@Suite struct CommandLineArgumentsTests {
  @Test(arguments: [
    ("--train_batch_size", "--train-batch-size"), ("--train-batch_size=4", "--train-batch-size=4"),
    ("--instance_prompt=a_b=c_d", "--instance-prompt=a_b=c_d"), ("a_b", "a_b"), ("-a_b", "-a_b"), ("--", "--"),
    ("", ""),
  ])
  func underscoresInFlagsBecomeDashes(_ written: String, _ expected: String) {
    #expect(CommandLineArguments.dashed(written) == expected)
  }

  @Test func valuesKeepTheirUnderscores() throws {
    let arguments = ["generate", "--model", "my_model", "--save_latents", "a_b"]
    #expect(
      try CommandLineArguments.expanded(arguments) == ["generate", "--model", "my_model", "--save-latents", "a_b"])
  }

  @Test func whatFollowsTwoDashesIsText() throws {
    let arguments = ["tokenize", "--model_a", "--", "--config", "--a_b", "-1"]
    #expect(
      try CommandLineArguments.expanded(arguments) == ["tokenize", "--model-a", "--", "--config", "--a_b", "-1"])
  }

  @Test func negativeNumbersAreValues() throws {
    #expect(
      try CommandLineArguments.expanded(["train", "--seed", "-1", "--snr_gamma", "-2.5e3", "--steps=-3", "-4", "--a"])
        == ["train", "--seed=-1", "--snr-gamma=-2.5e3", "--steps=-3", "-4", "--a"])
    #expect(try CommandLineArguments.expanded(["train", "--seed", "-x"]) == ["train", "--seed", "-x"])
  }

  @Test func theFilesOptionsComeBeforeTheOthers() throws {
    let folder = try TemporaryFolder()
    let first = folder.url.appending(path: "first.yaml")
    let second = folder.url.appending(path: "second.yaml")
    try Data("seed: 1".utf8).write(to: first)
    try Data("seed: 2".utf8).write(to: second)
    let (one, two) = (first.path(percentEncoded: false), second.path(percentEncoded: false))
    #expect(
      try CommandLineArguments.expanded(["train", "--seed", "3", "--config", one, "--config=\(two)"])
        == ["train", "--seed=1", "--seed=2", "--seed", "3"])
  }

  @Test func aFileMustBeNamed() {
    let error = #expect(throws: ConfigurationFileError.self) {
      try CommandLineArguments.expanded(["train", "--config"])
    }
    #expect(error?.description == "--config: needs a file")
  }
}
