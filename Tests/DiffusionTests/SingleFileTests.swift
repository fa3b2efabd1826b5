import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Models go from folder to file and back without losing a bit.
@Suite struct SingleFileTests {
  private let home: TemporaryFolder
  static let models = ["tiny-sd1", "tiny-sd2", "tiny-sd21"]

  init() throws { home = try TemporaryFolder() }

  private func file(_ name: String) -> URL { home.url.appending(path: name) }

  private func options(_ model: String, use: ModelOptions.Use = .pictures) -> ModelOptions {
    var options = ModelOptions(use: use)
    options.configuration = Fixtures.model(model)
    return options
  }

  /// All tensors of a model by part and name, with their types.
  private func tensors(_ model: ModelFolder) throws -> [String: [Float]] {
    var numbers: [String: [Float]] = [:]
    for part in ModelPart.allCases {
      for tensor in try model.tensors(of: part) {
        numbers["\(part) \(tensor.name) \(tensor.dtype) \(tensor.shape)"] = try tensor.floats()
      }
    }
    return numbers
  }

  /// Writes the tensors of a file again, changed.
  private func edit(_ source: URL, to destination: URL, _ change: (inout [String: TensorItem]) -> Void) throws {
    let stored = try TensorFileFormat.open(source)
    var items = Dictionary(uniqueKeysWithValues: stored.entries.map { ($0.key, TensorItem($0.key, copying: $0.value)) })
    change(&items)
    try SafetensorsWriter.write(
      items.map { $0.value.named($0.key) }, metadata: stored.metadata, to: destination)
  }

  private func problem(_ body: () throws -> Void) -> (any Error)? {
    #expect(throws: (any Error).self, performing: body)
  }

  // MARK: - There and back

  @Test(arguments: models, SingleFileFormat.allCases)
  func theWayThereAndBackIsLossless(_ model: String, _ format: SingleFileFormat) throws {
    let source = try ModelFolder(Fixtures.model(model))
    let single = file("model.\(format.rawValue)")
    var progress: [WritingProgress] = []
    try source.saveSingleFile(to: single, format: format) { progress.append($0) }
    let total = try TensorFileFormat.open(single).entries.values.reduce(0) { $0 + $1.byteCount }
    #expect(progress.allSatisfy { $0.total == total } && progress.last?.written == total)
    #expect(progress.last?.compared == total)
    #expect(progress.count { $0.isComplete } == 1)
    let read = try ModelFolder(single, options: options(model))
    #expect(try tensors(read) == tensors(source))
    #expect(read.documents == source.documents)
    let folder = file("folder")
    try read.save(to: folder, dtype: nil, isChecked: true)
    #expect(try tensors(ModelFolder(folder)) == tensors(source))
  }

  @Test func vectorsOfTokensAreThoseOfTheFolder() throws {
    let source = try ModelFolder(Fixtures.model("tiny-sd1"))
    try source.saveSingleFile(to: file("model.ckpt"), format: .ckpt)
    let vectors = try ModelFolder(file("model.ckpt"), options: options("tiny-sd1")).tokenVectors([5, 633])
    #expect(try vectors == source.tokenVectors([5, 633]) && vectors[0] != vectors[1])
  }

  /// From one kind of file to the other: nothing is lost that a folder has no room for.
  @Test func filesBecomeFilesWithoutAFolderBetween() throws {
    let source = try ModelFolder(Fixtures.model("tiny-sd2"))
    let (ckpt, first, second) = (file("a.ckpt"), file("a.safetensors"), file("b.safetensors"))
    try source.saveSingleFile(to: first, format: .safetensors)
    let unused = "cond_stage_model.model.text_projection"
    try edit(first, to: first) { items in
      items[unused] = TensorItem(unused, [48, 48], storedAs: .float32) { [UInt8](repeating: 7, count: 48 * 48 * 4) }
    }
    try ModelFolder(first, options: options("tiny-sd2")).saveSingleFile(to: ckpt, format: .ckpt)
    try ModelFolder(ckpt, options: options("tiny-sd2")).saveSingleFile(to: second, format: .safetensors)
    let (before, after) = (try TensorFileFormat.open(first), try TensorFileFormat.open(second))
    #expect(Set(before.names) == Set(after.names))
    for name in before.names { #expect(try before.entry(name).bytes() == after.entry(name).bytes(), "\(name)") }
  }

  @Test(arguments: [DType.float16, .bfloat16])
  func numbersAreRoundedOnlyOnRequest(_ dtype: DType) throws {
    let source = try ModelFolder(Fixtures.model("tiny-sd1"))
    try source.saveSingleFile(to: file("half.safetensors"), format: .safetensors, dtype: dtype)
    let half = try ModelFolder(file("half.safetensors"), options: options("tiny-sd1"))
    for part in ModelPart.allCases {
      #expect(try half.storedTypes(of: part) == [StoredType(dtype)])
      for (mine, theirs) in zip(try half.tensors(of: part), try source.tensors(of: part, as: dtype)) {
        #expect(try mine.floats() == theirs.floats(), "\(mine.name)")
      }
    }
    // Indices are no real numbers: rounded, they would be others.
    let positions = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    #expect(try SafetensorsFile(file("half.safetensors")).int32s(positions) == Array(0..<77))
  }

  /// Whoever is told of the progress may end it, be it while tensors are written or compared.
  @Test(arguments: [0, 0.5, 1, 1.5], [SingleFileFormat.safetensors, .ckpt, nil])
  func writingThatIsEndedLeavesWhatWasThere(_ share: Double, _ format: SingleFileFormat?) throws {
    struct Ended: Error {}
    let source = try ModelFolder(Fixtures.model("tiny-sd1"))
    let output = file("output")
    try source.save(to: output, dtype: .float16)
    if format != nil {
      try FileManager.default.removeItem(at: output)
      try Data("mine".utf8).write(to: output)
    }
    let before = try contents()
    func end(_ progress: WritingProgress) throws {
      if Double(progress.written + progress.compared) >= share * Double(progress.total) { throw Ended() }
    }
    #expect(throws: Ended.self) {
      if let format {
        try source.saveSingleFile(to: output, format: format, progress: end)
      } else {
        try source.save(to: output, isChecked: true, progress: end)
      }
    }
    #expect(try contents() == before)
  }

  /// All files by their paths.
  private func contents() throws -> [String: Data] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: home.url.path(percentEncoded: false))
    return Dictionary(
      uniqueKeysWithValues: try paths.map { ($0, file($0).isFolder ? Data() : try Data(contentsOf: file($0))) })
  }

  // MARK: - What strict readers want

  @Test func theUnusedLayerOfOpenCLIPIsThere() throws {
    try ModelFolder(Fixtures.model("tiny-sd2")).saveSingleFile(to: file("a.safetensors"), format: .safetensors)
    let written = try SafetensorsFile(file("a.safetensors"))
    let prefix = "cond_stage_model.model."
    let last = written.names.filter { $0.hasPrefix("\(prefix)transformer.resblocks.2.") }
    let added = written.names.filter { $0.hasPrefix("\(prefix)transformer.resblocks.3.") }
    #expect(last.count == 12 && added.count == 12)
    #expect(try written.entry("\(prefix)text_projection").shape == [48, 48])
    let identity = (0..<48 * 48).map { $0 / 48 == $0 % 48 ? 1 : 0 as Float }
    #expect(try written.floats("\(prefix)text_projection") == identity)
    #expect(try written.floats("\(prefix)logit_scale") == [4.6051702])
    #expect(try written.entry("\(prefix)logit_scale").shape == [])
  }

  @Test func theFileSaysWhatItIs() throws {
    try ModelFolder(Fixtures.model("tiny-sd21")).saveSingleFile(to: file("my dog.safetensors"), format: .safetensors)
    let metadata = try SafetensorsFile(file("my dog.safetensors")).metadata
    #expect(metadata["modelspec.architecture"] == "stable-diffusion-v2-768-v")
    #expect(metadata["modelspec.prediction_type"] == "v")
    #expect(metadata["modelspec.title"] == "my dog")
    #expect(metadata["modelspec.resolution"] == "128x128")
    #expect(metadata["format"] == "pt")
  }

  @Test func aModelThatPredictsVelocityGetsAYAMLFile() throws {
    try ModelFolder(Fixtures.model("tiny-sd21")).saveSingleFile(to: file("v.ckpt"), format: .ckpt)
    #expect(try SingleFileYAML(beside: file("v.ckpt"))?.predictionType == .velocity)
    try ModelFolder(Fixtures.model("tiny-sd2")).saveSingleFile(to: file("noise.ckpt"), format: .ckpt)
    #expect(try SingleFileYAML(beside: file("noise.ckpt")) == nil)
    // Somebody's own YAML file is left alone.
    try FileManager.default.removeItem(at: file("v.ckpt"))
    try Data("mine".utf8).write(to: file("v.yaml"))
    #expect(throws: ModelFolderError.self) {
      try ModelFolder(Fixtures.model("tiny-sd21")).saveSingleFile(to: file("v.ckpt"), format: .ckpt)
    }
    #expect(try Data(contentsOf: file("v.yaml")) == Data("mine".utf8))
  }

  /// New words begin as such vectors.
  @Test func vectorsOfTokensAreFound() throws {
    let source = try ModelFolder(Fixtures.model("tiny-sd2"))
    try source.saveSingleFile(to: file("model.ckpt"), format: .ckpt)
    let read = try ModelFolder(file("model.ckpt"), options: options("tiny-sd2"))
    #expect(try read.tokenVectors([3, 1]) == source.tokenVectors([3, 1]))
  }

  // MARK: - What files in the wild are like

  @Test func averagesAreTakenOnRequest() throws {
    try ModelFolder(Fixtures.model("tiny-sd1")).saveSingleFile(to: file("plain.safetensors"), format: .safetensors)
    try edit(file("plain.safetensors"), to: file("both.safetensors")) { items in
      for (name, item) in items where name.hasPrefix(SingleFileLayout.unetPrefix) {
        items[SingleFileLayout.averageName(name)] = TensorItem(name, item.shape, storedAs: .float32) {
          [UInt8](repeating: 0, count: item.byteCount)
        }
      }
    }
    var options = options("tiny-sd1")
    let plain = try ModelFolder(file("both.safetensors"), options: options)
    #expect(try tensors(plain) == tensors(ModelFolder(Fixtures.model("tiny-sd1"))))
    options.usesAverages = true
    let averaged = try ModelFolder(file("both.safetensors"), options: options)
    #expect(try averaged.tensors(of: .unet).allSatisfy { try $0.floats().allSatisfy { $0 == 0 } })
    #expect(try averaged.tensors(of: .vae).contains { try $0.floats().contains { $0 != 0 } })
    #expect(throws: SingleFileError.noAverages(file: file("plain.safetensors").path(percentEncoded: false))) {
      try ModelFolder(file("plain.safetensors"), options: options)
    }
  }

  @Test func namesWithoutAPartOfTheTextEncodersAreUnderstood() throws {
    let source = try ModelFolder(Fixtures.model("tiny-sd1"))
    try source.saveSingleFile(to: file("plain.safetensors"), format: .safetensors)
    try edit(file("plain.safetensors"), to: file("short.safetensors")) { items in
      items = Dictionary(uniqueKeysWithValues: items.map { ($0.replacing(".text_model.", with: "."), $1) })
    }
    #expect(try tensors(ModelFolder(file("short.safetensors"), options: options("tiny-sd1"))) == tensors(source))
  }

  /// Some files of Stable Diffusion 2 have convolutions of single pixels where others have matrices, and the other way.
  @Test func matricesAndConvolutionsOfSinglePixelsAreTheSame() throws {
    let source = try ModelFolder(Fixtures.model("tiny-sd2"))
    try source.saveSingleFile(to: file("plain.safetensors"), format: .safetensors)
    try edit(file("plain.safetensors"), to: file("other.safetensors")) { items in
      for (name, item) in items {
        if name.hasSuffix("proj_in.weight") { items[name] = item.reshaped(Shape(item.shape.dimensions + [1, 1])) }
        if name.contains(".attn_1.") && name.hasSuffix("q.weight") {
          items[name] = item.reshaped(Shape(Array(item.shape.dimensions.prefix(2))))
        }
      }
    }
    #expect(try tensors(ModelFolder(file("other.safetensors"), options: options("tiny-sd2"))) == tensors(source))
  }

  @Test func queriesKeysAndValuesOfDifferentTypesAreJoined() throws {
    let source = try EditableModel("tiny-sd2")
    let weights = source.weights(.textEncoder)
    try edit(weights, to: weights) { items in
      for (name, item) in items where name.contains("q_proj") { items[name] = item.converted(to: .float16) }
    }
    try source.open().saveSingleFile(to: file("mixed.safetensors"), format: .safetensors)
    let name = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
    #expect(try SafetensorsFile(file("mixed.safetensors")).entry(name).dtype == .float32)
  }

  // MARK: - Files that are no models

  @Test func whatIsMissingOrTooMuchIsNamed() throws {
    try ModelFolder(Fixtures.model("tiny-sd2")).saveSingleFile(to: file("plain.safetensors"), format: .safetensors)
    let fused = "cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight"
    let cases: [(String, (inout [String: TensorItem]) -> Void)] = [
      ("model.diffusion_model.out.2.bias", { $0["model.diffusion_model.out.2.bias"] = nil }),
      (fused, { $0[fused] = $0[fused]?.rows(0..<100) }),
      (
        "model.diffusion_model.label_emb",
        { $0["model.diffusion_model.label_emb"] = $0["model.diffusion_model.out.2.bias"] }
      ),
    ]
    for (name, change) in cases {
      try edit(file("plain.safetensors"), to: file("bad.safetensors"), change)
      let model = try ModelFolder(file("bad.safetensors"), options: options("tiny-sd2"))
      let error = problem { for part in ModelPart.allCases { _ = try model.tensors(of: part) } }
      #expect("\(error.map { "\($0)" } ?? "")".contains(name))
    }
  }

  @Test func withoutAFolderOnlyPublishedShapesAreKnown() throws {
    try ModelFolder(Fixtures.model("tiny-sd1")).saveSingleFile(to: file("tiny.safetensors"), format: .safetensors)
    let error = problem { _ = try ModelFolder(file("tiny.safetensors")) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("--config"))
  }

  @Test func otherFilesAreNamedForWhatTheyAre() throws {
    let unet = Fixtures.model("tiny-sd1").appending(path: ModelPart.unet.weightsFile)
    #expect(
      throws: SingleFileError.notAModel(file: unet.path(percentEncoded: false), kind: .part(.unet))
    ) { try ModelFolder(unet) }
  }
}
