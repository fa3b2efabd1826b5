import Foundation
import Logging
import Synchronization
import Testing

@testable import DreamBooth

/// A run as swift-log sees it.
@Suite struct TrainingEventLoggingTests {
  private struct Line: Equatable {
    let level: Logger.Level
    let text: String
    let metadata: [String: String]
  }

  /// Keeps what is logged.
  private final class Lines: Sendable {
    private let lines = Mutex<[Line]>([])
    var all: [Line] { lines.withLock { $0 } }
    func append(_ line: Line) { lines.withLock { $0.append(line) } }
  }

  private struct MemoryHandler: LogHandler {
    let lines: Lines
    var logLevel = Logger.Level.trace
    var metadata = Logger.Metadata()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
      lines.append(Line(level: event.level, text: "\(event.message)", metadata: metadata))
    }
  }

  private func lines(_ events: [TrainingEvent]) -> [Line] {
    let lines = Lines()
    let logger = Logger(label: "test") { _ in MemoryHandler(lines: lines) }
    for event in events { event.log(to: logger) }
    return lines.all
  }

  @Test func everyEventHasItsLevelAndFigures() {
    let record = StepRecord(
      step: 3, loss: 0.5, instanceLoss: 0.25, priorLoss: nil, learningRate: 1e-6, gradientNorm: 2, seconds: 1.5)
    let checkpoint = URL(filePath: "/out/checkpoint-3")
    let figures = [
      "step": "3", "of": "8", "loss": "0.5", "loss.instance": "0.25", "learning_rate": "1e-06", "grad_norm": "2.0",
      "seconds": "1.5",
    ]
    let found = lines([
      .began("Reading"), .progressed("Reading", done: 1, of: 2), .warning("a.txt is text"),
      .resumed(step: 2, checkpoint: checkpoint), .stepped(record, of: 8), .saved(checkpoint: checkpoint),
      .sampled(images: [URL(filePath: "/out/0.png")]),
    ])
    #expect(
      found == [
        Line(level: .info, text: "Reading", metadata: [:]),
        Line(level: .debug, text: "Reading", metadata: ["done": "1", "of": "2"]),
        Line(level: .warning, text: "a.txt is text", metadata: [:]),
        Line(level: .notice, text: "Resumed", metadata: ["step": "2", "checkpoint": "/out/checkpoint-3"]),
        Line(level: .info, text: "Step", metadata: figures),
        Line(level: .notice, text: "Saved", metadata: ["checkpoint": "/out/checkpoint-3"]),
        Line(level: .info, text: "Sampled", metadata: ["images": "[\"/out/0.png\"]"]),
      ])
    var prior = record
    prior.priorLoss = 0.125
    #expect(lines([.stepped(prior, of: 8)]).first?.metadata["loss.prior"] == "0.125")
  }

  @Test func aRunCanBeLogged() throws {
    let fixture = try TrainingFixture()
    let lines = Lines()
    let logger = Logger(label: "test") { _ in MemoryHandler(lines: lines) }
    try fixture.run(fixture.configuration()) { $0.log(to: logger) }
    #expect(lines.all.filter { $0.text == "Step" }.map { $0.metadata["step"] } == ["1", "2", "3", "4"])
    #expect(lines.all.first == Line(level: .info, text: "Reading the model", metadata: [:]))
  }
}
