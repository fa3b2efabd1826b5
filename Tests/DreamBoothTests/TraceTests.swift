import Foundation
import TestSupport
import Testing

@testable import DreamBooth

/// What a trace refuses, and that it leaves no file behind when it does.
@Suite struct TraceTests {
  private let folder: TemporaryFolder
  private let model: ModelFolder
  private let backend = CPUBackend()
  private let inputs: SafetensorsFile

  init() throws {
    folder = try TemporaryFolder()
    model = try ModelFolder(Fixtures.folder.appending(path: "models/tiny-sd1", directoryHint: .isDirectory))
    inputs = try Fixtures.golden("train-step/sd1.inputs")
  }

  /// The golden inputs, some of them replaced.
  private func file(_ replaced: [String: Tensor?]) throws -> URL {
    var tensors: [String: Tensor?] = [:]
    for (name, entry) in inputs.entries {
      tensors[name] =
        entry.dtype == .float32
        ? Tensor(try inputs.floats(name), entry.shape, on: backend)
        : Tensor(try inputs.int32s(name), entry.shape, on: backend)
    }
    tensors.merge(replaced) { $1 }
    let url = folder.url.appending(path: "inputs.safetensors")
    try SafetensorsWriter.write(
      tensors.compactMap { name, tensor in tensor.map { TensorItem(name, $0) } }, to: url)
    return url
  }

  private func zeros(_ shape: Shape) -> Tensor { Tensor(repeating: 0, shape, on: backend) }

  @Test func refusesWhatDoesNotGoTogether() throws {
    let output = folder.url.appending(path: "outputs.safetensors")
    func refuses(_ replaced: [String: Tensor?], priorLossWeight: Float? = nil, _ part: String) throws {
      var options = Trace.Options()
      options.priorLossWeight = priorLossWeight
      let input = try file(replaced)
      let error = #expect(throws: TraceError.self) {
        try Trace(model, options, on: backend).run(input: input, output: output)
      }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }
    try refuses(["latents": nil], "either a tensor 'latents'")
    try refuses(["pixel_values": zeros([2, 3, 32, 32])], "either a tensor 'latents'")
    try refuses(["latents": zeros([2, 4, 8, 9])], "'latents' is [2, 4, 8, 9], but must be [2, 4, 8, 8]")
    try refuses(["noise": zeros([2, 3, 8, 8])], "'noise' is [2, 3, 8, 8]")
    try refuses(["timesteps": Tensor([Int32(0)], [1], on: backend)], "'timesteps' is [1], but must be [2]")
    try refuses(["timesteps": Tensor([Int32(0), 1000], [2], on: backend)], "holds 1000, but the model knows 0 to 999")
    try refuses(["timesteps": Tensor([Int32(-1), 0], [2], on: backend)], "holds -1")
    try refuses(["input_ids": Tensor([Int32](repeating: 0, count: 156), [2, 78], on: backend)], "[2, 78]")
    try refuses(["input_ids": Tensor([Int32](repeating: .max, count: 2), [2, 1], on: backend)], "2147483647")
    try refuses(
      [
        "latents": zeros([1, 4, 8, 8]), "noise": zeros([1, 4, 8, 8]),
        "timesteps": Tensor([Int32(0)], [1], on: backend), "input_ids": Tensor([Int32(0)], [1, 1], on: backend),
      ], priorLossWeight: 1, "a batch of 1 cannot be split")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path()) == ["inputs.safetensors"])
  }

  @Test func aMissingTensorIsNamed() throws {
    let input = try file(["noise": nil])
    let error = #expect(throws: TensorFileError.self) {
      try Trace(model, on: backend).run(input: input, output: folder.url.appending(path: "outputs.safetensors"))
    }
    #expect(error?.description.contains("'noise'") == true)
  }

  @Test func writesGradientsAloneUnlessStepsAreAskedFor() throws {
    let output = folder.url.appending(path: "outputs.safetensors")
    try Trace(model, on: backend).run(input: file([:]), output: output)
    let names = try SafetensorsFile(output).names
    #expect(names.contains("grad.unet.conv_in.weight"))
    #expect(!names.contains { $0.hasPrefix("param.") || $0 == "losses" || $0 == "loss.prior" })
  }
}
