import Foundation
import TestSupport
import Testing

@testable import Diffusion
@testable import Tensor

/// CLIP's own vocabulary, which goes with single files and with new models of the published shapes.
@Suite struct CLIPVocabularyTests {
  static let paddings = [("clip-sd1", "<|endoftext|>", 49407), ("clip-sd2", "!", 0)]

  @Test(arguments: paddings)
  func idsAreThoseOfTransformers(_ name: String, _ padding: String, _ paddingID: Int) throws {
    let golden = try TokenizerGolden.read()
    let tokenizer = try CLIPTokenizer.clip(padding: padding)
    let (ids, prompts) = (try #require(golden.ids[name]), try #require(golden.padded[name]))
    #expect(zip(golden.texts, ids).filter { tokenizer.ids($0) != $1 }.map(\.0) == [])
    #expect(golden.prompts.map(tokenizer.encode) == prompts)
    #expect(tokenizer.paddingID == paddingID)
    #expect(tokenizer.vocabularyCount == TokenizerFolder.standardVocabularySize)
    #expect((tokenizer.beginID, tokenizer.endID, tokenizer.maximumLength) == (49406, 49407, 77))
  }

  /// Ids that many programs and articles name.
  @Test func wellKnownIDs() throws {
    let tokenizer = try CLIPTokenizer.clip(padding: "!")
    #expect(tokenizer.ids("a photo of a cat") == [320, 1125, 539, 320, 2368])
    #expect(tokenizer.ids("sks dog") == [48136, 1929])
  }

  /// The digest is that of the 48894 lines after the first in OpenAI's file.
  @Test func mergesAreThoseOfOpenAI() throws {
    let merges = try CLIPTokenizer.clip(padding: "!").encoding.merges
    #expect(merges.count == 48894)
    let home = try TemporaryFolder()
    let file = home.url.appending(path: "merges.txt")
    try Data(merges.map { "\($0.first) \($0.second)\n" }.joined().utf8).write(to: file)
    #expect(
      try SHA256.hexadecimal(file) == "d308b7377a8ceaa9707a21614fe8c831b9196e197b7aeb69833359362907af02")
  }

  @Test(arguments: paddings, [true, false])
  func savedFilesReadBack(_ form: (name: String, padding: String, Int), keepsTokenizerJSON: Bool) throws {
    let golden = try TokenizerGolden.read()
    let home = try TemporaryFolder()
    let tokenizer = try CLIPTokenizer.clip(padding: form.padding)
    try tokenizer.save(to: home.url)
    if !keepsTokenizerJSON { try FileManager.default.removeItem(at: home.url.appending(path: "tokenizer.json")) }
    let copy = try CLIPTokenizer(contentsOf: home.url)
    #expect(golden.texts.map(copy.ids) == golden.ids[form.name])
    #expect(copy.specialTokens == tokenizer.specialTokens)
    #expect(copy.encoding.vocabulary == tokenizer.encoding.vocabulary)
  }

  /// A file of a published shape, all zeros, of which the disk stores the header alone.
  private func emptyFile(_ model: StandardModel, in home: TemporaryFolder) throws -> URL {
    let folder = try model.untrained()
    var places: [String: Shape] = [:]
    for part in ModelPart.allCases {
      for parameter in try folder.specifications(of: part) {
        let place = folder.layout.place(of: parameter, in: part)
        places[place.name] = place.rows.map { place.shape.replacing(0, with: 3 * $0.count) } ?? place.shape
      }
    }
    var end = 0
    let entries = places.sorted { $0.key < $1.key }.map { name, shape in
      let start = end
      end += 2 * shape.count
      return "\"\(name)\":{\"dtype\":\"F16\",\"shape\":\(shape.dimensions),\"data_offsets\":[\(start),\(end)]}"
    }
    let prediction = folder.modelSpecification(title: "")["modelspec.prediction_type"] ?? ""
    let metadata = "\"__metadata__\":{\"modelspec.prediction_type\":\"\(prediction)\"}"
    let header = Data("{\(([metadata] + entries).joined(separator: ","))}".utf8)
    let file = home.url.appending(path: "\(model.rawValue).safetensors")
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
    try (length + header).write(to: file)
    let handle = try FileHandle(forWritingTo: file)
    try handle.truncate(atOffset: UInt64(8 + header.count + end))
    try handle.close()
    return file
  }

  @Test(arguments: [(StandardModel.sd15, "clip-sd1"), (.sd21Base, "clip-sd2"), (.sd21, "clip-sd2")])
  func singleFilesHaveIt(_ model: StandardModel, _ name: String) throws {
    let golden = try TokenizerGolden.read()
    let home = try TemporaryFolder()
    let tokenizer = try ModelFolder(emptyFile(model, in: home)).loadTokenizer()
    #expect(golden.prompts.map(tokenizer.encode) == golden.padded[name])
  }

  @Test(arguments: [(StandardModel.sd15, "clip-sd1"), (.sd21Base, "clip-sd2"), (.sd21, "clip-sd2")])
  func newModelsHaveIt(_ model: StandardModel, _ name: String) throws {
    let golden = try TokenizerGolden.read()
    let tokenizer = try model.untrained().loadTokenizer()
    #expect(golden.prompts.map(tokenizer.encode) == golden.padded[name])
  }
}
