import Foundation
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct TrainingMemoryTests {
  private let fixture: TrainingFixture

  init() throws {
    fixture = try TrainingFixture()
  }

  /// The parts and their sum, against what a real run of the same shape takes from the pool.
  @Test func theForecastCoversARealRun() throws {
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.trainTextEncoder = true
    try fixture.expectForecastCoversARun(configuration)
  }

  @Test func optionsMoveTheForecast() throws {
    let folder = try ModelFolder(TrainingFixture.modelURL)
    let plain = fixture.configuration()
    func forecast(_ change: (inout TrainingConfiguration) -> Void) throws -> TrainingMemory {
      var configuration = plain
      change(&configuration)
      return try TrainingMemory(folder, configuration)
    }
    let base = try forecast { _ in }
    #expect(base.moments == 2 * base.gradients)
    #expect(try forecast { $0.trainTextEncoder = true }.gradients > base.gradients)
    #expect(try forecast { $0.gradientCheckpointing = true }.activations < base.activations)
    #expect(try forecast { $0.trainBatchSize = 2 }.activations > base.activations)
    #expect(try forecast { $0.trainBatchSize = 2 }.weights == base.weights)
  }

  @Test func aRunThatDoesNotFitIsRefusedWithWhatWouldHelp() throws {
    let folder = try ModelFolder(TrainingFixture.modelURL)
    var configuration = fixture.configuration()
    configuration.trainBatchSize = 4
    func error(_ available: Int) -> TrainingMemoryError? {
      #expect(throws: TrainingMemoryError.self) {
        try TrainingMemory.requireFit(folder, configuration, available: available, computeTypes: [.float32])
      }
    }
    let whole = try TrainingMemory(folder, configuration).total
    try TrainingMemory.requireFit(folder, configuration, available: whole, computeTypes: [.float32])
    #expect(error(whole - 1)?.remedy == ["--gradient_checkpointing"])
    #expect(error(whole - 1)?.needed == whole)
    var smaller = configuration
    smaller.gradientCheckpointing = true
    let recomputed = try TrainingMemory(folder, smaller).total
    #expect(error(recomputed - 1)?.remedy == ["--gradient_checkpointing", "--use_8bit_adam"])
    #expect(error(1)?.remedy == [])
    #expect(error(1)?.description.contains("too large for this machine") == true)
  }

  @Test func freeMemoryIsWhatTheSystemSays() throws {
    let text = "MemTotal:       24000000 kB\nMemFree:          100000 kB\nMemAvailable:   22000000 kB\n"
    #expect(TrainingMemory.available(meminfo: text) == 22_000_000 * 1024)
    #expect(TrainingMemory.available(meminfo: "MemTotal: 1 kB") == nil)
    #expect(TrainingMemory.available(on: NullBackend()) == nil)
    let available = try #require(TrainingMemory.available(on: fixture.backend))
    #expect(available > 1 << 20)
  }

  /// A step of Stable Diffusion 1.5 at its own size, AdamW's moments included, takes less than 24 GB.
  @Test func aFullSizeStepFits() throws {
    let folder = try ModelFolder(Fixtures.folder.appending(path: "configs/sd15", directoryHint: .isDirectory))
    var configuration = fixture.configuration()
    configuration.resolution = 512
    let memory = try TrainingMemory(folder, configuration)
    let parameters = 859_520_964 + 123_060_480 + 83_653_863
    #expect(memory.weights == 4 * parameters)
    #expect(memory.gradients >= 4 * 859_520_964)
    #expect(memory.total < 24_000_000_000)
  }

  /// Stable Diffusion 1.5, UNet and text encoder, on a photo and a class picture of 512 pixels in bfloat16, with one more
  /// saving at a time: below 20 GB without any, below 9.9 GB, and below 8 GB.
  @Test func savingsBringAFullSizeStepDown() throws {
    let folder = try ModelFolder(Fixtures.folder.appending(path: "configs/sd15", directoryHint: .isDirectory))
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.resolution = 512
    configuration.trainTextEncoder = true
    configuration.mixedPrecision = .bf16
    configuration.maxGradNorm = .infinity
    let changes: [(inout TrainingConfiguration) -> Void] = [
      { _ in },
      {
        $0.gradientCheckpointing = true
        $0.use8bitAdam = true
      },
      { $0.fusedBackwardPass = true }, { $0.fullBf16 = true },
    ]
    let memory = try changes.map { change in
      change(&configuration)
      return try TrainingMemory(folder, configuration)
    }
    let trained = 859_520_964 + 123_060_480
    #expect(memory[0].total < 20_000_000_000)
    #expect(memory[1].moments >= 2 * trained && memory[1].moments < 2 * trained * 65 / 64 * 101 / 100)
    #expect(memory[2].gradients == 0 && memory[2].total < 9_900_000_000)
    #expect(memory[3].weights == memory[2].weights - 4 * trained && memory[3].total < 8_000_000_000)
  }

  /// A step of Stable Diffusion 1.5, UNet and text encoder, on two pictures of 512 pixels in bfloat16: Float32 weights and
  /// moments, copies and gradients of two bytes.
  @Test func aFullSizeStepInHalfPrecisionFits() throws {
    let folder = try ModelFolder(Fixtures.folder.appending(path: "configs/sd15", directoryHint: .isDirectory))
    var configuration = fixture.configuration()
    configuration.resolution = 512
    configuration.trainBatchSize = 2
    configuration.trainTextEncoder = true
    configuration.mixedPrecision = .bf16
    let memory = try TrainingMemory(folder, configuration)
    let (trained, frozen) = (859_520_964 + 123_060_480, 83_653_863)
    #expect(memory.weights == (4 + 2) * trained + 2 * frozen)
    #expect(memory.gradients >= 2 * trained && memory.gradients < 2 * trained + 1 << 20)
    #expect(memory.moments == 4 * memory.gradients)
    #expect(memory.total < 20_000_000_000, "\(memory)")
    // Further batches add up in Float32.
    configuration.gradientAccumulationSteps = 4
    let accumulating = try TrainingMemory(folder, configuration)
    #expect(accumulating.total >= memory.weights + memory.moments + 3 * memory.gradients)
  }
}
