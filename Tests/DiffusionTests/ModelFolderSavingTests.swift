import Diffusion
import Foundation
import TestSupport
import Testing

/// Saved models hold what was loaded or trained, and saving never harms what stands there.
@Suite struct ModelFolderSavingTests {
  private let device = CPUBackend()
  static let models = ["tiny-sd1", "tiny-sd2", "tiny-sd21", "tiny-sample"]

  /// Every file below a folder, by its path inside it.
  private func contents(_ folder: URL) throws -> [String: Data] {
    let paths = try #require(FileManager.default.enumerator(atPath: folder.path(percentEncoded: false)))
    var files: [String: Data] = [:]
    for case let path as String in paths {
      let url = folder.appending(path: path)
      let type = try FileManager.default.attributesOfItem(atPath: url.path(percentEncoded: false))[.type]
      if type as? FileAttributeType == .typeRegular { files[path] = try Data(contentsOf: url) }
    }
    return files
  }

  /// Every parameter of a model, in PyTorch's order, by part and name.
  private func parameters(_ folder: ModelFolder) throws -> [String: [Float]] {
    let stores = [
      ("unet", try folder.loadUNet(on: device).parameters),
      ("text_encoder", try folder.loadTextEncoder(on: device).parameters),
      ("vae", try folder.loadAutoencoder(on: device).parameters),
    ]
    var numbers: [String: [Float]] = [:]
    for (part, store) in stores {
      for parameter in store.parameters { numbers["\(part)/\(parameter.name)"] = store.pytorch(parameter).floats() }
    }
    return numbers
  }

  @Test(arguments: models)
  func aSavedModelIsTheSameModel(_ name: String) throws {
    let home = try TemporaryFolder()
    let source = try ModelFolder(Fixtures.model(name))
    let (first, second) = (home.url.appending(path: "first"), home.url.appending(path: "second"))
    try source.save(to: first)
    let saved = try ModelFolder(first)
    #expect(try parameters(saved) == parameters(source))
    #expect(
      try saved.loadTokenizer().encode("a photo of sks dog") == source.loadTokenizer().encode("a photo of sks dog"))
    for file in ["unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"] {
      #expect(
        try Data(contentsOf: first.appending(path: file))
          == Data(contentsOf: Fixtures.model(name).appending(path: file)))
    }
    try saved.save(to: second)
    #expect(try contents(first) == contents(second))
  }

  @Test func aSavedModelHasTheNamesThatEverybodyReads() throws {
    let home = try TemporaryFolder()
    let folder = home.url.appending(path: "model")
    // Its text encoder's file lacks the prefix; the other's autoencoder has names of old.
    try ModelFolder(Fixtures.model("tiny-sd2")).save(to: folder)
    let text = try SafetensorsFile(folder.appending(path: "text_encoder/model.safetensors"))
    #expect(text.names.allSatisfy { $0.hasPrefix("text_model.") })
    #expect(text.metadata == ["format": "pt"])
    try ModelFolder(Fixtures.model("tiny-sd1")).save(to: folder)
    let autoencoder = try SafetensorsFile(folder.appending(path: "vae/diffusion_pytorch_model.safetensors"))
    #expect(autoencoder.entries["decoder.mid_block.attentions.0.to_out.0.weight"] != nil)
    #expect(!autoencoder.names.contains { $0.contains("proj_attn") })
    let files = try contents(folder).keys.filter { $0.hasPrefix("tokenizer/") }.sorted()
    #expect(
      files == [
        "tokenizer/merges.txt", "tokenizer/special_tokens_map.json", "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json", "tokenizer/vocab.json",
      ])
  }

  @Test func halfPrecisionHalvesTheFiles() throws {
    let home = try TemporaryFolder()
    let folder = home.url.appending(path: "model")
    let source = try ModelFolder(Fixtures.model("tiny-sample"))
    try source.save(to: folder, dtype: .float16)
    let saved = try ModelFolder(folder)
    for part in ModelPart.allCases { #expect(try saved.storedTypes(of: part) == [.float16]) }
    let expected = try parameters(source).mapValues { $0.map { Float(Float16($0)) } }
    #expect(try parameters(saved) == expected)
  }

  @Test func trainedParametersAreSaved() throws {
    let model = try EditableModel()
    let source = try model.open()
    let before = try parameters(source)
    let (_, store) = try source.loadUNet(on: device, trainable: { _ in true })
    let parameter = try #require(store.parameters.first { $0.name == "conv_in.weight" })
    let numbers = before["unet/conv_in.weight"]?.map { $0 + 1 } ?? []
    parameter.assign(numbers)
    try source.save(to: model.url, trained: [.unet: store])
    var expected = before
    expected["unet/conv_in.weight"] = numbers
    #expect(try parameters(model.open()) == expected)
  }

  @Test func nothingOfTheUsersIsRemoved() throws {
    let source = try ModelFolder(Fixtures.model("tiny-sample"))
    for name in ["notes.txt", "unet/diffusion_pytorch_model.fp16.safetensors", "safety_checker/config.json"] {
      let model = try EditableModel()
      let file = model.file(name)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: file)
      let before = try contents(model.url)
      let error = #expect(throws: ModelFolderError.self) { try source.save(to: model.url) }
      guard case .wouldRemove? = error else {
        Issue.record("\(name): \(String(describing: error))")
        continue
      }
      #expect(try contents(model.url) == before)
    }
  }

  @Test func aFileIsNotReplacedByAFolder() throws {
    let home = try TemporaryFolder()
    let file = home.url.appending(path: "notes.txt")
    try Data("mine".utf8).write(to: file)
    let source = try ModelFolder(Fixtures.model("tiny-sample"))
    #expect(throws: ModelFolderError.wouldRemove(entry: file.path(percentEncoded: false))) {
      try source.save(to: file)
    }
    #expect(throws: FileError.self) { try source.save(to: file.appending(path: "model")) }
    #expect(try contents(home.url) == ["notes.txt": Data("mine".utf8)])
  }

  @Test func aSaveThatFailsLeavesWhatStoodThere() throws {
    let (broken, good) = (try EditableModel(), try EditableModel())
    try broken.edit(.vae) { $0["quant_conv.bias"] = nil }
    let before = try contents(good.url)
    #expect(throws: ModelFolderError.self) { try broken.open().save(to: good.url) }
    #expect(try contents(good.url) == before)
    let parent = good.url.deletingLastPathComponent().path(percentEncoded: false)
    #expect(try FileManager.default.contentsOfDirectory(atPath: parent) == ["model"])
  }

  @Test func untrainedModelsDependOnTheirSeedAlone() throws {
    let home = try TemporaryFolder()
    let source = try ModelFolder(Fixtures.model("tiny-sd1"))
    let folders = ["a", "b", "c"].map { home.url.appending(path: $0) }
    for (folder, seed) in zip(folders, [1, 1, 2] as [UInt64]) {
      try source.saveUntrained(to: folder, seed: seed, on: device)
    }
    #expect(try contents(folders[0]) == contents(folders[1]))
    let (one, other) = (try parameters(ModelFolder(folders[0])), try parameters(ModelFolder(folders[2])))
    #expect(one["unet/conv_in.weight"] != other["unet/conv_in.weight"])
    #expect(one["unet/conv_in.weight"] != one["vae/encoder.conv_in.weight"])
    try expectPyTorchsDistributions(one)
  }

  /// A uniform distribution fills its range, a normal one has its standard deviation.
  private func expectPyTorchsDistributions(_ parameters: [String: [Float]]) throws {
    func numbers(_ name: String) throws -> [Float] { try #require(parameters[name]) }
    let bound = 1 / Float(8 * 9).squareRoot()
    let largest = try #require(try numbers("unet/down_blocks.0.resnets.0.conv1.weight").map(abs).max())
    #expect(largest <= bound && largest > 0.97 * bound)
    #expect(try numbers("unet/conv_norm_out.weight").allSatisfy { $0 == 1 })
    #expect(try numbers("text_encoder/text_model.encoder.layers.0.mlp.fc1.bias").allSatisfy { $0 == 0 })
    // Four standard errors of a deviation measured on n numbers: 4 / √(2n).
    for (name, deviation) in [
      ("embeddings.token_embedding.weight", 0.02),
      ("encoder.layers.0.self_attn.q_proj.weight", 1 / (32.0 * 4).squareRoot()),
      ("encoder.layers.0.self_attn.out_proj.weight", 1 / 32.0.squareRoot()),
      ("encoder.layers.1.mlp.fc1.weight", 1 / 64.0.squareRoot()),
      ("encoder.layers.1.mlp.fc2.weight", 1 / (32.0 * 4).squareRoot()),
    ] {
      let values = try numbers("text_encoder/text_model.\(name)").map(Double.init)
      let measured = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
      #expect(abs(measured / deviation - 1) < 4 / (2 * Double(values.count)).squareRoot(), "\(name)")
    }
  }
}
