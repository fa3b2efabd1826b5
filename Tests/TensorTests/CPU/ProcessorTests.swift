import Foundation
import Testing

@testable import Tensor

@Suite struct ProcessorTests {
  @Test func noMoreProcessorsThanThereAre() {
    #expect((1...ProcessInfo.processInfo.processorCount).contains(Processor.availableCount))
  }

  /// Quotas are rounded up, so that the whole of them can be used.
  @Test(arguments: [
    ("max 100000\n", nil), ("200000 100000\n", 2), ("150000 100000", 2), ("1000 100000", 1), ("", nil), ("5 0", nil),
  ])
  func quotasAreWorthProcessors(_ line: String, _ count: Int?) {
    #expect(Processor.processorCount(quota: line) == count)
  }

  @Test(
    arguments: [
      ([], 0), ([0], 1), ([0, 1], 3), ([0, 1, 3], 64), ([0, 1, 3, 64], nil), ([1, 2], 0),
    ] as [(Set<Int>, Int?)])
  func theFirstFreeProcessorIsFound(_ taken: Set<Int>, _ expected: Int?) {
    #expect(Processor.firstFree(in: [0b1011, 0b1], besides: taken) == expected)
  }

  @Test func aThreadThatMovesMayStillRunAnywhere() throws {
    let allowed = try #require(Processor.allowed)
    let every = Set((0..<64 * allowed.count).filter { allowed[$0 / 64] >> UInt64($0 % 64) & 1 == 1 })
    let target = try #require(every.max())
    // The system may move the thread on at once, but hardly ever.
    let arrivals = (0..<10).filter { _ in
      Processor.move(awayFrom: every.subtracting([target])) && Processor.current == target
    }
    #expect(arrivals.count > 5)
    #expect(Processor.allowed == allowed)
    #expect(!Processor.move(awayFrom: every))
  }

  @Test func theBestInstructionsAreTheLastAvailable() {
    #expect(InstructionSet.available.first == .baseline)
    #expect(InstructionSet.available.last == .best)
  }

  /// A set that is not available is refused as one that does not exist.
  @Test func theEnvironmentDecides() throws {
    let asked = try CPUEnvironment { ["DREAMBOOTH_CPU": "baseline", "TENSOR_THREADS": "7"][$0] }
    #expect(asked.instructionSet == .baseline && asked.threadCount == 7)
    let silent = try CPUEnvironment { _ in nil }
    #expect(silent.instructionSet == .best && silent.threadCount == Processor.availableCount)
    #expect(throws: CPUEnvironmentError.instructionSet("v9")) { try CPUBackend(environment: ["DREAMBOOTH_CPU": "v9"]) }
    #expect(throws: CPUEnvironmentError.threadCount("0")) { try CPUBackend(environment: ["TENSOR_THREADS": "0"]) }
  }
}
