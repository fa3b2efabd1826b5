import Foundation
import Testing

/// A short run of the fuzzer. `FUZZ_COUNT` makes it longer; the whole one has 200,000 inputs for each target.
@Suite struct FileFuzzerTests {
  private static let count = ProcessInfo.processInfo.environment["FUZZ_COUNT"] ?? "1000"

  private func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    let output = Pipe()
    let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.executableURL = tests.deletingLastPathComponent().appending(path: "FileFuzzer")
    process.arguments = arguments
    process.standardOutput = output
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: text, as: UTF8.self))
  }

  @Test(
    arguments: [
      "safetensors", "archive", "pickle", "legacy", "configuration", "yaml", "tokenizer", "folder", "single", "lora",
      "words", "inspect", "png", "jpeg",
    ])
  func noInputHarmsAReader(_ target: String) throws {
    let (status, output) = try run([target, "--count", Self.count])
    #expect(status == 0, "\(output)")
    // Some inputs are still well-formed and most are not, or the fuzzer tests nothing.
    let numbers = output.matches(of: /(\d+) accepted, (\d+) refused/).map { (Int($0.1)!, Int($0.2)!) }
    let (accepted, refused) = try #require(numbers.first)
    #expect(accepted > 0 && refused > 0, "\(output)")
    #expect(accepted + refused == Int(Self.count))
  }

  /// The fuzzer itself notices a crash, a hang and a lie about memory, and says which input it was.
  @Test(arguments: [("crash", "signal"), ("hang", "did not come to an end"), ("allocation", "signal")])
  func noticesWhatGoesWrong(_ fault: String, _ words: String) throws {
    let (status, output) = try run(["safetensors", "--count", "20", "--fault", fault, "--fault-at", "7"])
    #expect(status == 1)
    #expect(output.contains("input 7 ") && output.contains(words), "\(output)")
    #expect(output.contains("--first 7 --count 1"), "\(output)")
    #expect(output.contains("20 inputs") && output.contains("1 failures"), "\(output)")
  }
}
