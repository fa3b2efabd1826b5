import Diffusion
import Foundation
import TestSupport
import Testing

/// What is wrong with a model's folder is said, by file and name, before anything is computed.
@Suite struct ModelFolderTests {
  private let device = CPUBackend()

  /// The error that opening or loading throws.
  private func error(_ body: () throws -> Void) -> ModelFolderError? {
    #expect(throws: ModelFolderError.self, performing: body)
  }

  private func path(_ url: URL) -> String { url.path(percentEncoded: false) }

  // MARK: - The folder and its index

  @Test func aModelThatIsNotThereIsNamed() throws {
    let missing = URL(filePath: "/nowhere/model")
    #expect(error { _ = try ModelFolder(missing) } == .notFound(path: "/nowhere/model"))
    let model = try EditableModel()
    #expect(throws: TensorFileError.self) { try ModelFolder(model.file("model_index.json")) }
  }

  @Test(arguments: [
    "model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
    "scheduler/scheduler_config.json",
  ])
  func aMissingFileIsNamed(_ file: String) throws {
    let model = try EditableModel()
    try model.remove(file)
    #expect(error { _ = try model.open() } == .missingFile(file: path(model.file(file))))
  }

  @Test func anEmptyFolderIsRefused() throws {
    let folder = try TemporaryFolder()
    #expect(
      error { _ = try ModelFolder(folder.url) }
        == .missingFile(file: path(folder.url.appending(path: "model_index.json")))
    )
  }

  @Test func aPipelineOfAnotherKindIsRefused() throws {
    let model = try EditableModel()
    try model.edit("model_index.json", ["_class_name": "StableDiffusionXLPipeline"])
    let index = path(model.file("model_index.json"))
    #expect(
      error { _ = try model.open() } == .unsupportedPipeline(file: index, name: "\"StableDiffusionXLPipeline\""))
  }

  @Test func partsThatAreMissingOrOfAnotherClassAreRefused() throws {
    let model = try EditableModel()
    let index = path(model.file("model_index.json"))
    try model.edit("model_index.json", ["vae": ["diffusers", "AsymmetricAutoencoderKL"]])
    #expect(
      error { _ = try model.open() }
        == .unsupportedPart(file: index, part: "vae", found: "AsymmetricAutoencoderKL", supported: "AutoencoderKL"))
    try model.edit("model_index.json", ["vae": [.null, .null]])
    #expect(error { _ = try model.open() } == .missingPart(file: index, part: "vae"))
    try model.edit(
      "model_index.json",
      ["vae": ["diffusers", "AutoencoderKL"], "text_encoder_2": ["transformers", "CLIPTextModel"]])
    let found = try #require(error { _ = try model.open() })
    #expect(found.description.contains("text_encoder_2"))
  }

  /// An option of a part, and what the message must say of it.
  @Test(arguments: [
    ("unet/config.json", "cross_attention_dim", 24, "24 numbers, the text encoder's have 16"),
    ("unet/config.json", "in_channels", 9, "takes 9 channels, latents have 4"),
    ("unet/config.json", "out_channels", 8, "predicts 8 channels, latents have 4"),
    ("vae/config.json", "latent_channels", 16, "latents have 16"),
    ("vae/config.json", "in_channels", 1, "takes 1 and gives 3 channels"),
    ("vae/config.json", "out_channels", 4, "takes 3 and gives 4 channels"),
  ])
  func partsThatDoNotFitTogetherAreRefused(
    _ file: String, _ option: String, _ value: Int, _ words: String
  ) throws {
    let model = try EditableModel()
    try model.edit(file, [option: .number(Double(value))])
    let found = try #require(error { _ = try model.open() })
    guard case .mismatch = found else {
      Issue.record("\(found)")
      return
    }
    #expect(found.description.contains(words), "\(found)")
  }

  @Test func aModelThatTakesMoreThanLatentsIsRefused() throws {
    let model = try EditableModel()
    try model.edit("unet/config.json", ["in_channels": 9])
    let found = try #require(error { _ = try model.open() })
    #expect(found.description.contains("takes 9 channels, latents have 4"))
  }

  // MARK: - Weights

  @Test func everyMissingTensorIsCounted() throws {
    let model = try EditableModel()
    try model.edit(.unet) { $0["conv_in.bias"] = nil }
    let file = path(model.weights(.unet))
    let one = error { _ = try model.open().loadUNet(on: device) }
    #expect(one == .missingKeys(file: file, keys: ["conv_in.bias"]))
    try model.edit(.unet) { tensors in
      for name in tensors.keys where name.contains("attn1") { tensors[name] = nil }
    }
    let many = try #require(error { _ = try model.open().loadUNet(on: device) })
    guard case .missingKeys(_, let keys) = many else { return #expect(many == one) }
    // Four self-attentions of five tensors.
    #expect(keys.count == 1 + 4 * 5)
    #expect(many.description.contains("21 tensors (conv_in.bias, "))
  }

  @Test func tensorsThatNobodyAskedForAreRefused() throws {
    let model = try EditableModel()
    try model.edit(.textEncoder) { $0["text_projection.weight"] = model.zeros([16, 16]) }
    #expect(
      error { _ = try model.open().loadTextEncoder(on: device) }
        == .unexpectedKeys(file: path(model.weights(.textEncoder)), keys: ["text_projection.weight"]))
  }

  @Test func aTensorOfTheWrongShapeIsRefused() throws {
    let model = try EditableModel()
    try model.edit(.unet) { $0["conv_in.weight"] = model.zeros([8, 9, 3, 3]) }
    #expect(
      error { _ = try model.open().loadUNet(on: device) }
        == .wrongShape(
          file: path(model.weights(.unet)), key: "conv_in.weight", found: [8, 9, 3, 3], expected: [8, 4, 3, 3]))
  }

  @Test func aTensorOfTheSameCountButAnotherShapeIsRefused() throws {
    let model = try EditableModel()
    try model.edit(.unet) { $0["conv_in.weight"] = model.zeros([4, 8, 3, 3]) }
    let found = try #require(error { _ = try model.open().loadUNet(on: device) })
    #expect(found.description.contains("[4, 8, 3, 3]") && found.description.contains("[8, 4, 3, 3]"))
  }

  @Test func aTensorOfIntegersIsRefused() throws {
    let model = try EditableModel()
    try model.edit(.vae) { $0["quant_conv.bias"] = Tensor([Int32](repeating: 0, count: 8), [8], on: device) }
    #expect(
      error { _ = try model.open().loadAutoencoder(on: device) }
        == .wrongType(file: path(model.weights(.vae)), key: "quant_conv.bias", found: "I32"))
  }

  @Test func aTensorThatIsThereTwiceIsRefused() throws {
    let model = try EditableModel()
    let name = "text_model.final_layer_norm.bias"
    try model.edit(.textEncoder) { $0["final_layer_norm.bias"] = $0[name] }
    #expect(
      error { _ = try model.open().loadTextEncoder(on: device) }
        == .ambiguousKeys(
          file: path(model.weights(.textEncoder)), key: name, names: ["final_layer_norm.bias", name]))
  }

  @Test func aTruncatedFileIsRefused() throws {
    let model = try EditableModel()
    let whole = try Data(contentsOf: model.weights(.unet))
    for count in [100, whole.count / 2, whole.count - 1] {
      try whole.prefix(count).write(to: model.weights(.unet))
      #expect(throws: SafetensorsError.self) { try model.open().loadUNet(on: device) }
    }
    // Too little is left to tell what it was.
    for count in [0, 7] {
      try whole.prefix(count).write(to: model.weights(.unet))
      #expect(throws: TensorFileError.self) { try model.open().loadUNet(on: device) }
    }
  }

  @Test(arguments: ["diffusion_pytorch_model.msgpack", "diffusion_pytorch_model.h5"])
  func weightsInAnotherFormAreNamed(_ other: String) throws {
    let model = try EditableModel()
    try FileManager.default.moveItem(at: model.weights(.unet), to: model.file("unet/\(other)"))
    #expect(
      error { _ = try model.open().loadUNet(on: device) }
        == .unsupportedWeights(wanted: path(model.weights(.unet)), found: other))
    try model.remove("unet/\(other)")
    #expect(error { _ = try model.open().loadUNet(on: device) } == .missingFile(file: path(model.weights(.unet))))
  }

  @Test func anAutoencodersAttentionMayBeStoredAsConvolutions() throws {
    let model = try EditableModel()
    let (plain, _) = try model.open().loadAutoencoder(on: device)
    try model.edit(.vae) { tensors in
      for (name, tensor) in tensors where name.contains(".attentions.") && tensor.shape.rank == 2 {
        tensors[name] = tensor.reshaped(Shape(tensor.shape.dimensions + [1, 1]))
      }
    }
    let (convolutional, _) = try model.open().loadAutoencoder(on: device)
    let pixels = Tensor((0..<768).map { Float($0) / 384 - 1 }, [1, 16, 16, 3], on: device)
    #expect(plain.encode(pixels).mean.floats() == convolutional.encode(pixels).mean.floats())
  }

  @Test func aVocabularyLargerThanTheTextEncodersIsRefused() throws {
    let model = try EditableModel()
    try model.edit("text_encoder/config.json", ["vocab_size": 600])
    let found = try #require(error { _ = try model.open().loadTokenizer() })
    #expect(found.description.contains("600"))
  }

  @Test(arguments: ["cls", "sep"])
  func aFrameOutsideTheTextEncodersVocabularyIsRefused(_ mark: String) throws {
    let model = try EditableModel()
    let known = try model.open().loadTokenizer()
    var frame: [String: JSONValue] = [
      "type": "RobertaProcessing", "cls": ["<|startoftext|>", .number(Double(known.beginID))],
      "sep": ["<|endoftext|>", .number(Double(known.endID))],
    ]
    frame[mark] = ["<|mark|>", 70_000]
    try known.save(to: model.file("tokenizer"))
    try model.edit("tokenizer/tokenizer.json", ["post_processor": .object(frame)])
    let found = try #require(error { _ = try model.open().loadTokenizer() })
    #expect(found.description.contains("the tokenizer has 70001 ids"), "\(found)")
  }
}
