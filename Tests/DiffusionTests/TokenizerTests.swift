import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Texts and the ids that transformers gives for them, by tokenizer folder; see Fixtures/tokenizer.py.
struct TokenizerGolden: Decodable {
  static let folders = ["sd1", "sd2", "transformers5", "added", "holes"]
  static let goldens = Fixtures.folder.appending(path: "goldens")

  var texts: [String]
  var ids: [String: [[Int]]]
  var prompts: [String]
  var padded: [String: [[Int32]]]

  static func read() throws -> TokenizerGolden {
    try JSONDecoder().decode(Self.self, from: Data(contentsOf: goldens.appending(path: "tokenizer.json")))
  }

  static func folder(_ name: String) -> URL { goldens.appending(path: "tokenizer/\(name)") }
}

/// Runs `body` with a folder that holds the given files.
private func withFolder(_ files: [String: String] = [:], _ body: (URL) throws -> Void) throws {
  let folder = try TemporaryFolder()
  for (name, text) in files { try Data(text.utf8).write(to: folder.url.appending(path: name)) }
  try body(folder.url)
}

@Suite struct TokenizerTests {
  @Test(arguments: TokenizerGolden.folders)
  func idsAreThoseOfTransformers(_ folder: String) throws {
    let golden = try TokenizerGolden.read()
    let tokenizer = try CLIPTokenizer(contentsOf: TokenizerGolden.folder(folder))
    let expected = try #require(golden.ids[folder])
    let differing = zip(golden.texts, expected).filter { tokenizer.ids($0) != $1 }.map(\.0)
    #expect(golden.texts.count > 2000)
    #expect(differing == [])
  }

  @Test(arguments: TokenizerGolden.folders)
  func promptsAreFramedCutAndPadded(_ folder: String) throws {
    let golden = try TokenizerGolden.read()
    let tokenizer = try CLIPTokenizer(contentsOf: TokenizerGolden.folder(folder))
    let expected = try #require(golden.padded[folder])
    #expect(golden.prompts.map(tokenizer.encode) == expected)
    #expect(tokenizer.maximumLength == 77)
    #expect(golden.prompts.contains { tokenizer.ids($0).count > 75 })
  }

  @Test(arguments: TokenizerGolden.folders, [true, false])
  func savedFilesReadBack(_ folder: String, keepsTokenizerJSON: Bool) throws {
    let golden = try TokenizerGolden.read()
    let expected = try #require(golden.ids[folder])
    let tokenizer = try CLIPTokenizer(contentsOf: TokenizerGolden.folder(folder))
    try withFolder { saved in
      try tokenizer.save(to: saved)
      if !keepsTokenizerJSON { try FileManager.default.removeItem(at: saved.appending(path: "tokenizer.json")) }
      let copy = try CLIPTokenizer(contentsOf: saved)
      #expect(golden.texts.map(copy.ids) == expected)
      #expect(copy.specialTokens == tokenizer.specialTokens)
      #expect(copy.vocabularyCount == tokenizer.vocabularyCount)
      #expect(copy.encode("a dog") == tokenizer.encode("a dog"))
    }
  }

  @Test(arguments: ["transformers5", "added"])
  func savedTokenizerJSONIsThatOfTransformers(_ folder: String) throws {
    func object(_ folder: URL) throws -> NSDictionary {
      let data = try Data(contentsOf: folder.appending(path: "tokenizer.json"))
      return try #require(JSONSerialization.jsonObject(with: data) as? NSDictionary)
    }
    try withFolder { saved in
      try CLIPTokenizer(contentsOf: TokenizerGolden.folder(folder)).save(to: saved)
      let (ours, theirs) = (try object(saved), try object(TokenizerGolden.folder(folder)))
      #expect(ours.allKeys.count > 5)
      #expect(ours == theirs)
    }
  }

  @Test func addedWordsGetTheNextIDs() throws {
    var tokenizer = try CLIPTokenizer(contentsOf: TokenizerGolden.folder("transformers5"))
    let count = tokenizer.vocabularyCount
    let before = tokenizer.ids("a dog")
    #expect(try tokenizer.addTokens(["<sks-cat>", "zwx"]) == [count, count + 1])
    #expect(tokenizer.vocabularyCount == count + 2)
    #expect(tokenizer.id(of: "zwx") == count + 1)
    let like = try CLIPTokenizer(contentsOf: TokenizerGolden.folder("added"))
    for text in ["a <sks-cat> here", "<SKS-CAT>zwx", "azwxb", "a dog"] {
      #expect(tokenizer.ids(text) == like.ids(text))
    }
    #expect(tokenizer.ids("a dog") == before)
    for word in ["", "zwx", "<|endoftext|>", "dog</w>"] {
      #expect(throws: TokenizerError.cannotAdd(token: word)) { try tokenizer.addTokens(["fresh", word]) }
    }
    #expect(tokenizer.vocabularyCount == count + 2)
  }

  @Test func missingFilesAreNamed() throws {
    try withFolder { folder in
      #expect(throws: TokenizerError.noVocabulary(folder: folder.path)) { try CLIPTokenizer(contentsOf: folder) }
    }
    try withFolder(["vocab.json": "{}"]) { folder in
      #expect(throws: TokenizerError.noVocabulary(folder: folder.path)) { try CLIPTokenizer(contentsOf: folder) }
    }
  }

  /// Files that are almost right, and a word of the message each must give.
  @Test(arguments: [
    (["vocab.json": "{", "merges.txt": ""], "vocab.json"),
    (["vocab.json": #"{"a": "b"}"#, "merges.txt": ""], "string"),
    (["vocab.json": #"{"a": -1}"#, "merges.txt": ""], "id -1"),
    (["vocab.json": #"{"a": 2147483647}"#, "merges.txt": ""], "id 2147483647"),
    (["vocab.json": "{}", "merges.txt": "#version: 0.2\na b c\n"], "line 2"),
    (["vocab.json": #"{"a": 0, "ab": 1}"#, "merges.txt": "a b\n"], "'b'"),
    (["tokenizer.json": #"{"model": {"type": "BPE", "vocab": {}}, "added_tokens": []}"#], "merges"),
    (["tokenizer.json": #"{"model": {"type": "Unigram", "vocab": {}, "merges": []}, "added_tokens": []}"#], "Unigram"),
    (
      [
        "tokenizer.json": #"""
        {"model": {"vocab": {}, "merges": []}, "added_tokens": [], "post_processor": {"type": "BertProcessing"}}
        """#
      ], "BertProcessing"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {}, "merges": []}, "added_tokens": [{"id": 7, "content": "x"}]}"#],
      "id 7"
    ),
    (["vocab.json": "{}", "merges.txt": "", "tokenizer_config.json": #"{"model_max_length": 1}"#], "model_max_length"),
  ])
  func brokenFilesAreNamed(_ files: [String: String], _ word: String) throws {
    try withFolder(files) { folder in
      let error = try #require(throws: TokenizerError.self) { try CLIPTokenizer(contentsOf: folder) }
      #expect(error.description.contains(word), "\(error)")
    }
  }

  @Test func aFolderWithoutLimitHasCLIPs() throws {
    let source = TokenizerGolden.folder("sd1")
    try withFolder(["tokenizer_config.json": #"{"model_max_length": 1000000000000000019884624838656}"#]) { folder in
      for name in ["vocab.json", "merges.txt"] {
        try FileManager.default.copyItem(at: source.appending(path: name), to: folder.appending(path: name))
      }
      #expect(try CLIPTokenizer(contentsOf: folder).maximumLength == 77)
    }
  }

  @Test func savingWhereAFileStandsFails() throws {
    let tokenizer = try CLIPTokenizer(contentsOf: TokenizerGolden.folder("sd1"))
    try withFolder(["taken": "kept"]) { folder in
      let taken = folder.appending(path: "taken")
      let error = try #require(throws: FileError.self) { try tokenizer.save(to: taken) }
      #expect(error.path == taken.path(percentEncoded: false))
      let kept = try String(contentsOf: taken, encoding: .utf8)
      #expect(kept == "kept")
    }
  }
}
