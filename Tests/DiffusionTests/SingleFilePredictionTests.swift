import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// What a single file's model predicts: said by somebody, or found out.
@Suite struct SingleFilePredictionTests {
  private let home: TemporaryFolder

  init() throws { home = try TemporaryFolder() }

  private func write(_ model: String, _ name: String, _ format: SingleFileFormat) throws -> URL {
    let file = home.url.appending(path: name)
    try ModelFolder(Fixtures.model(model)).saveSingleFile(to: file, format: format)
    return file
  }

  /// The schedule that is made up for a file, and whether the model would have to be asked.
  private func found(_ file: URL, _ options: ModelOptions = ModelOptions()) throws -> (PredictionType?, probes: Bool) {
    let single = try SingleFile(file, options: options)
    let json = try #require(try single.documents()[ModelFolder.schedulerFile])
    return (try SchedulerConfig(json: json, file: "scheduler").predictionType, try single.needsProbe())
  }

  private func yaml(_ parameterization: String, beside file: URL) throws {
    try Data("model: {params: {parameterization: \(parameterization)}}".utf8).write(
      to: SingleFileYAML.url(beside: file))
  }

  @Test func whatIsSaidCountsInThisOrder() throws {
    let file = try write("tiny-sd21", "v.safetensors", .safetensors)
    // The metadata say so too.
    try FileManager.default.removeItem(at: SingleFileYAML.url(beside: file))
    #expect(try found(file) == (.velocity, probes: false))
    try yaml("eps", beside: file)
    #expect(try found(file) == (.epsilon, probes: false))
    try yaml("x0", beside: file)
    #expect(try found(file) == (.sample, probes: false))
    var options = ModelOptions()
    options.predictionType = .velocity
    #expect(try found(file, options) == (.velocity, probes: false))
    // A folder of configurations says it as well.
    options.predictionType = nil
    options.configuration = Fixtures.model("tiny-sd2")
    #expect(try found(file, options) == (.epsilon, probes: false))
  }

  @Test func onlyStableDiffusion2IsAsked() throws {
    let file = try write("tiny-sd21", "v.ckpt", .ckpt)
    try FileManager.default.removeItem(at: SingleFileYAML.url(beside: file))
    #expect(try found(file).probes)
    #expect(try found(write("tiny-sd1", "one.ckpt", .ckpt)) == (.epsilon, probes: false))
  }

  @Test(arguments: ["v: [", "model: {}", "model: {params: {parameterization: w}}", "- a"])
  func brokenYAMLIsRefused(_ text: String) throws {
    let file = try write("tiny-sd1", "one.safetensors", .safetensors)
    try Data(text.utf8).write(to: SingleFileYAML.url(beside: file))
    #expect(throws: SingleFileError.self) { try found(file) }
  }

  /// A model whose output is one number everywhere: clearly below its input, or not.
  @Test(arguments: [(-0.6 as Float, PredictionType.velocity), (-0.4, .epsilon)])
  func theModelIsAsked(_ output: Float, _ expected: PredictionType) throws {
    let model = try EditableModel("tiny-sd2")
    try model.edit(.unet) { tensors in
      tensors["conv_out.weight"] = tensors["conv_out.weight"].map { model.zeros($0.shape) }
      tensors["conv_out.bias"] = Tensor(repeating: output, [4], on: CPUBackend())
    }
    #expect(try PredictionProbe(model.open()).predictionType() == expected)
  }
}
