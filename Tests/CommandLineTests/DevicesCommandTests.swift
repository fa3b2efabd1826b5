import DreamBooth
import TestSupport
import Testing

/// `devices`, and the environment variables that choose how the CPU computes.
@Suite struct DevicesCommandTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  @Test(arguments: InstructionSet.available)
  func theEnvironmentChoosesThreadsAndInstructions(_ set: InstructionSet) throws {
    let environment = ["DREAMBOOTH_CPU": set.rawValue, "TENSOR_THREADS": "3"]
    let text = try place.succeed(["devices"], environment: environment).output
    let all = InstructionSet.available.map(\.rawValue).joined(separator: ", ")
    #expect(text.hasPrefix("cpu     3 threads, instruction set \(set) of \(all)\n"), "\(text)")
  }

  @Test(arguments: ["", "v5", "V3", "avx"])
  func unknownInstructionsAreRefused(_ value: String) throws {
    for arguments in [["devices"], ["init", "--like", "model", "new"], place.training()] {
      try place.expectRefusal(
        arguments, environment: ["DREAMBOOTH_CPU": value],
        naming: ["DREAMBOOTH_CPU is \"\(value)\"", "baseline", InstructionSet.best.rawValue])
    }
  }

  @Test(arguments: ["", "0", "-1", "two", "1025"])
  func unusableThreadCountsAreRefused(_ value: String) throws {
    try place.expectRefusal(
      ["devices"], environment: ["TENSOR_THREADS": value], naming: ["TENSOR_THREADS is \"\(value)\"", "1 to 1024"])
  }
}
