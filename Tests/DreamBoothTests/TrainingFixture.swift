import Foundation
import Images
import TestSupport
import Testing

@testable import DreamBooth

/// A tiny model, a few pictures and a place for the result.
struct TrainingFixture {
  let folder: TemporaryFolder
  let backend: CPUBackend

  /// Computes on `threads` threads, or as many as there are processors.
  init(threads: Int? = nil) throws {
    backend = CPUBackend(threads: threads)
    folder = try TemporaryFolder()
    try makePictures("subject", count: 3)
    try makePictures("class", count: 4)
  }

  static let modelURL = Fixtures.folder.appending(path: "models/tiny-sd1", directoryHint: .isDirectory)

  func path(_ name: String) -> String { folder.url.appending(path: name).path(percentEncoded: false) }

  private func makePictures(_ name: String, count: Int) throws {
    let place = folder.url.appending(path: name, directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
    for index in 0..<count {
      // One side is longer than the crop, so that a random crop has a choice.
      let noise = RandomStream(seed: 1, stream: UInt32(name.utf8.count)).uniforms(16 * 22 * 3, draw: UInt32(index))
      let image = Image(width: 16, height: 22, pixels: noise.map { UInt8($0 * 256) })
      try image.writePNG(to: place.appending(path: "\(index).png"))
    }
  }

  /// A run of a few steps with as much randomness as there is.
  func configuration(output: String = "output") -> TrainingConfiguration {
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: TrainingFixture.modelURL.path(percentEncoded: false),
      instanceDataDir: path("subject"), instancePrompt: "a photo of sks dog", outputDir: path(output))
    configuration.seed = 11
    configuration.resolution = 16
    configuration.trainBatchSize = 1
    configuration.maxTrainSteps = 4
    configuration.learningRate = 1e-3
    return configuration
  }

  func addPrior(_ configuration: inout TrainingConfiguration) {
    configuration.withPriorPreservation = true
    configuration.classDataDir = path("class")
    configuration.classPrompt = "a photo of a dog"
    configuration.numClassImages = 4
  }

  /// Whatever changes how batches are made and added up.
  func addEverything(_ configuration: inout TrainingConfiguration) {
    addPrior(&configuration)
    configuration.trainTextEncoder = true
    configuration.centerCrop = false
    configuration.randomFlip = true
    configuration.gradientAccumulationSteps = 2
    configuration.gradientCheckpointing = true
    configuration.offsetNoise = true
    configuration.snrGamma = 5
  }

  @discardableResult
  func run(
    _ configuration: TrainingConfiguration, stop: StopSignal = StopSignal(),
    observer: @escaping TrainingObserver = { _ in }
  ) throws -> Trainer.Outcome {
    try Trainer(configuration, on: backend, stop: stop, observer: observer).run()
  }

  /// The bytes of all files in a folder under the fixture's, by their paths.
  func contents(_ name: String) throws -> [String: Data] {
    let root = folder.url.appending(path: name, directoryHint: .isDirectory)
    let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path(percentEncoded: false))
    var contents: [String: Data] = [:]
    for path in paths {
      let url = root.appending(path: path)
      guard try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else { continue }
      contents[path] = try Data(contentsOf: url)
    }
    return contents
  }

  /// The tensors that a run has written: model and checkpoints, but no logs and no configurations.
  func tensors(_ name: String) throws -> [String: Data] {
    try contents(name).filter { $0.key.hasSuffix(".safetensors") }
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  /// The tensor files of a run of the options given, which must be those of a run that is stopped after two steps and
  /// resumed.
  func expectResumingChangesNothing(_ options: TrainingConfiguration) throws -> [String: Data] {
    var whole = options
    whole.outputDir = path("whole")
    whole.checkpointingSteps = 4
    try run(whole)
    var parts = whole
    parts.outputDir = path("parts")
    parts.checkpointingSteps = 2
    let stop = StopSignal()
    try run(parts, stop: stop) { event in
      if case .stepped(let record, _) = event, record.step == 2 { stop.request() }
    }
    parts.resumeFromCheckpoint = "latest"
    try run(parts)
    let (expected, found) = (try tensors("whole"), try tensors("parts"))
    for (path, data) in expected { #expect(found[path] == data, "\(path)") }
    return expected
  }

  /// The forecast of two steps, against what a real run takes from the pool.
  func expectForecastCoversARun(_ options: TrainingConfiguration) throws {
    var options = options
    options.maxTrainSteps = 2
    let forecast = try TrainingMemory(ModelFolder(TrainingFixture.modelURL), options)
    var peak = 0
    try run(options) { event in
      if case .stepped = event { peak = backend.memory.peak }
    }
    let ratio = Double(forecast.total) / Double(peak)
    #expect(ratio > 0.9 && ratio < 1.1, "forecast \(forecast.total), used \(peak)")
  }
}
