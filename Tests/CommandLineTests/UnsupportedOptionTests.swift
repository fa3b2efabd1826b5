import Foundation
import Testing

@testable import dbtool

/// Options that diffusers has and this program has not.
@Suite struct UnsupportedOptionTests {
  @Test(arguments: UnsupportedOption.all.map(\.name))
  func eachIsRefusedByNameAndWithAReason(_ name: String) throws {
    let place = try Workplace()
    let option = try #require(UnsupportedOption.all.first { $0.name == name })
    let flag = "--\(name.replacing("-", with: "_"))"
    try place.expectRefusal(
      place.training(option.idleValues == nil ? [flag] : [flag, "fp16"]),
      naming: ["--\(name) is not supported", option.reason])
  }

  @Test func valuesThatChangeNothingAreAccepted() throws {
    let idle = UnsupportedOption.all.flatMap { option in
      (option.idleValues ?? []).flatMap { ["--\(option.name)", $0, "--\(option.name)=\($0)"] }
    }
    #expect(idle.contains("--report-to=none"))
    #expect(
      try UnsupportedOption.removeIdle(from: ["train", "--seed", "1"] + idle + ["a"]) == ["train", "--seed", "1", "a"])
    // A configuration file writes `allow_tf32: false` like this.
    let negated = ["train", "--no-allow-tf32", "--no-random-flip"]
    #expect(try UnsupportedOption.removeIdle(from: negated) == ["train", "--no-random-flip"])
  }

  @Test(arguments: [
    ["--allow-tf32=yes"], ["--prior-generation-precision=fp16"], ["--report-to", "wandb"], ["--set-grads-to-none"],
    ["--set-grads-to-none=yes"],
    ["--local-rank=0"], ["--hub-token", "hf_secret"], ["--revision", "--seed"],
  ])
  func valuesThatWouldChangeSomethingAreNot(_ arguments: [String]) throws {
    let error = #expect(throws: UnsupportedOptionError.self) {
      try UnsupportedOption.removeIdle(from: ["train"] + arguments)
    }
    #expect(error?.description.contains("secret") == false)
  }

  @Test func otherCommandsAndTextsAreLeftAlone() throws {
    for arguments in [
      ["generate", "--revision", "1"], ["train", "--", "--revision"], ["train", "--instance-prompt=--revision"], [],
    ] {
      #expect(try UnsupportedOption.removeIdle(from: arguments) == arguments)
    }
  }

  @Test func noneOfThemIsAnOptionAfterAll() {
    let help = DreamBoothTool.helpMessage(for: TrainCommand.self)
    #expect(help.contains("--train-batch-size "))
    for option in UnsupportedOption.all { #expect(!help.contains("--\(option.name) "), "\(option.name)") }
  }

  @Test func theProgramTrainsWithValuesThatChangeNothing() throws {
    let place = try Workplace()
    try place.succeed(
      place.training([
        "--report_to=none", "--dataloader_num_workers", "0", "--local_rank", "-1",
      ]))
    #expect(place.exists("out/model_index.json"))
  }
}
