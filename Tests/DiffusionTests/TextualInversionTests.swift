import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// New words mean what diffusers makes of them; see Fixtures/textual_inversion.py.
@Suite struct TextualInversionTests {
  private struct Request: Decodable {
    let prompts: [String]
    let negativePrompt: String
  }

  private let device = CPUBackend()
  private let home: TemporaryFolder

  init() throws { home = try TemporaryFolder() }

  private func golden(_ name: String) -> URL {
    Fixtures.folder.appending(path: "goldens/textual-inversion/\(name).safetensors")
  }

  /// Both words of the fixtures; AUTOMATIC1111's files carry the word in their own name.
  private func words() throws -> [TextualInversion] {
    let named = home.url.appending(path: "painterly.safetensors")
    if !FileManager.default.fileExists(atPath: named.path(percentEncoded: false)) {
      try FileManager.default.copyItem(at: golden("automatic1111"), to: named)
    }
    return [try TextualInversion(contentsOf: golden("diffusers")), try TextualInversion(contentsOf: named)]
  }

  @Test func filesOfAllForms() throws {
    let words = try words()
    #expect(words.map(\.word) == ["<sks-dog>", "painterly"])
    #expect(words.map(\.count) == [3, 1])
    #expect(words.map(\.width) == [32, 32])
    for layout in TextualInversionLayout.allCases {
      let url = home.url.appending(path: layout == .automatic1111 ? "other.pt" : "<sks-dog>.safetensors")
      try words[0].write(to: url, layout, on: device)
      #expect(try TextualInversion(contentsOf: url) == words[0])
    }
  }

  /// Files that torch.save has written: of AUTOMATIC1111, and of the first scripts, which kept vectors as parameters.
  @Test(arguments: ["embedding", "embedding-parameters"])
  func filesOfAUTOMATIC1111(_ name: String) throws {
    let url = Fixtures.folder.appending(path: "torch-files/\(name).pt")
    let golden = try Fixtures.golden("torch-files/embedding")
    let word = try TextualInversion(contentsOf: url)
    #expect(word.word == "style")
    #expect(try word.vectors == golden.floats("*"))
    #expect(try word.count == golden.entry("*").shape[0])
  }

  @Test func namesOfWhatIsWrittenAreThoseOfEachProgram() throws {
    let word = TextualInversion("<cat>", count: 2, vectors: [1, 2, 3, 4], dtype: .float16)
    func write(_ layout: TextualInversionLayout) throws -> any TensorFile {
      let url = home.url.appending(path: "\(layout.rawValue).file")
      try word.write(to: url, layout, on: device)
      return try TensorFileFormat.open(url)
    }
    #expect(try write(.diffusers).names == ["<cat>"])
    #expect(try write(.kohya).names == ["emb_params"])
    let root = try write(.automatic1111).root
    #expect(root["string_to_token"]?["*"]?.integer == 265)
    #expect(root["string_to_param"]?["*"]?.tensor?.floats() == [1, 2, 3, 4])
    #expect(root["string_to_param"]?["*"]?.tensor?.dtype == .float16)
    #expect(root["name"]?.string == "<cat>")
  }

  @Test func idsAreThoseOfDiffusers() throws {
    let request = try Fixtures.golden("textual-inversion/pictures", as: Request.self)
    let expected = try Fixtures.golden("textual-inversion/pictures").int32s("ids")
    var tokenizer = try ModelFolder(Fixtures.model("tiny-sd1")).loadTokenizer()
    _ = try words().newTokens(in: &tokenizer, width: 32)
    #expect(request.prompts.flatMap(tokenizer.encode) == expected)
  }

  @Test(arguments: Device.kinds)
  func picturesAreThoseOfDiffusers(_ computeDevice: Device) throws {
    let device = computeDevice.backend
    let golden = try Fixtures.golden("textual-inversion/pictures")
    let texts = try Fixtures.golden("textual-inversion/pictures", as: Request.self)
    let folder = try ModelFolder(Fixtures.model("tiny-sd1"))
    let pipeline = try TextToImage(folder, on: device, words: words())
    let start = try golden.tensor("latents", on: device)
    var request = TextToImageRequest(prompts: [texts.prompts[1]])
    request.negativePrompts = [texts.negativePrompt]
    request.steps = 6
    request.guidanceScale = 5
    request.height = start.shape[2] * pipeline.autoencoder.configuration.downFactor
    request.width = start.shape[3] * pipeline.autoencoder.configuration.downFactor
    request.latents = start
    let latents = try pipeline.latents(request, scheduler: folder.schedulerConfiguration.makeScheduler(named: .ddim))
    #expect(try golden.relativeError(of: latents, "final") <= Tolerance.sampledLatents)
  }

  @Test func wordsAreFoundInAnyCaseAndNextToEachOther() throws {
    var tokenizer = try ModelFolder(Fixtures.model("tiny-sd1")).loadTokenizer()
    let count = tokenizer.vocabularyCount
    #expect(try tokenizer.addWord("<cat>", tokenCount: 2) == [count, count + 1])
    #expect(tokenizer.ids("<CAT><cat>") == [count, count + 1, count, count + 1])
    // The further tokens are words themselves.
    #expect(tokenizer.ids("<cat>_1") == [count + 1])
  }

  @Test func wordsThatCannotBeUsedAreRefused() throws {
    let folder = try ModelFolder(Fixtures.model("tiny-sd2"))
    #expect(throws: TextualInversionError.wrongWidth(word: "<sks-dog>", found: 32, expected: 48)) {
      try TextToImage(folder, on: device, words: words())
    }
    let twice = try words() + words()
    #expect(throws: TokenizerError.cannotAdd(token: "<sks-dog>")) {
      try TextToImage(ModelFolder(Fixtures.model("tiny-sd1")), on: device, words: twice)
    }
  }

  @Test(
    arguments: [
      (["a": [2, 3], "b": [2, 3]], "2 tensors"), (["clip_l": [1, 3]], "SDXL"), (["a": [1, 2, 3]], "instead of"),
      (["a": [0, 3]], "instead of"), ([:], "0 tensors"),
    ] as [([String: Shape], String)])
  func otherFilesAreRefused(_ shapes: [String: Shape], _ reason: String) throws {
    let url = home.url.appending(path: "other.safetensors")
    try SafetensorsWriter.write(
      shapes.map { TensorItem($0.key, Tensor(repeating: 1, $0.value, on: device)) }, to: url)
    let error = #expect(throws: TextualInversionError.self) { try TextualInversion(contentsOf: url) }
    #expect(error?.description.contains(reason) == true)
  }
}
