import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct RunLogTests {
  private let folder: TemporaryFolder
  private let configuration = TrainingConfiguration(
    pretrainedModelNameOrPath: "model", instanceDataDir: "dog", instancePrompt: "a photo of sks dog", outputDir: "out")

  init() throws {
    folder = try TemporaryFolder()
  }

  private func record(_ step: Int) -> StepRecord {
    StepRecord(
      step: step, loss: 0.5, instanceLoss: 0.25, priorLoss: 0.125, learningRate: 5e-6, gradientNorm: 1.5, seconds: 0.75)
  }

  private func lines(_ name: String = RunLog.fileName) throws -> [[String: Any]] {
    let text = try String(contentsOf: folder.url.appending(path: name), encoding: .utf8)
    #expect(text.hasSuffix("\n"))
    return try text.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  private func steps(_ name: String = RunLog.fileName) throws -> [Int?] { try lines(name).map { $0["step"] as? Int } }

  @Test func beginsWithTheConfigurationAndAddsALinePerStep() throws {
    let log = try RunLog(in: folder.url, configuration, resumedStep: nil)
    try log.append(record(1))
    // Nothing waits for the log to be closed.
    let lines = try lines()
    #expect(lines.count == 2)
    let stored = try #require(lines[0]["configuration"] as? [String: Any])
    #expect(stored["instance_prompt"] as? String == "a photo of sks dog")
    #expect(
      Set(lines[1].keys) == [
        "step", "loss", "loss.instance", "loss.prior", "learning_rate", "grad_norm", "seconds",
      ])
    #expect(lines[1]["loss.prior"] as? Double == 0.125)
  }

  @Test func aResumedRunRemovesTheStepsItRepeats() throws {
    let first = try RunLog(in: folder.url, configuration, resumedStep: nil)
    for step in 1...5 { try first.append(record(step)) }
    let url = folder.url.appending(path: RunLog.fileName)
    try (Data(contentsOf: url) + Data(#"{"step":6,"lo"#.utf8)).write(to: url)

    let second = try RunLog(in: folder.url, configuration, resumedStep: 3)
    #expect(try steps() == [nil, 1, 2, 3])
    try second.append(record(4))
    #expect(try steps() == [nil, 1, 2, 3, 4])
  }

  @Test func aNewRunKeepsTheOldLog() throws {
    for run in 1...3 {
      let log = try RunLog(in: folder.url, configuration, resumedStep: nil)
      try log.append(record(run))
    }
    #expect(try steps("log.1.jsonl") == [nil, 1])
    #expect(try steps("log.2.jsonl") == [nil, 2])
    #expect(try steps() == [nil, 3])
  }

  @Test func namesTheLogItCannotWrite() {
    let error = #expect(throws: FileError.self) {
      try RunLog(in: folder.url.appending(path: "missing"), configuration, resumedStep: nil)
    }
    #expect(error?.path.hasSuffix("missing/log.jsonl") == true)
    #expect(error?.code == ENOENT)
  }
}
