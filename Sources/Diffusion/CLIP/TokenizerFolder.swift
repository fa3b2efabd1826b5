import Foundation
import Tensor

/// What the files of a tokenizer folder say, before anything is made of it.
struct TokenizerFolder {
  /// CLIP's number of positions, for folders that set no limit.
  static let defaultMaximumLength = 77
  /// Four times the largest of CLIP's files. Reading JSON takes many times its size in memory.
  private static let byteLimit = 16 << 20

  var vocabulary: [String: Int] = [:]
  var merges: [BytePairEncoding.Merge] = []
  var specialTokens = CLIPTokenizer.SpecialTokens()
  var maximumLength = defaultMaximumLength

  /// The added tokens in the order in which ids are given out, with the ids that the files declare.
  var addedTokens: [(token: AddedToken, id: Int?)] = []

  /// The ids round every prompt, where tokenizer.json names them.
  var framingIDs: (begin: Int, end: Int)?

  /// Reads the folder; tokenizer.json comes before vocab.json and merges.txt.
  init(_ folder: URL) throws(TokenizerError) {
    let config = try TokenizerConfig.read(folder.appending(path: "tokenizer_config.json"))
    let json = try TokenizerJSON.read(folder.appending(path: "tokenizer.json"))
    if let json {
      vocabulary = json.model.vocab
      merges = json.model.merges.map(\.merge)
      framingIDs = try json.framingIDs(file: folder.appending(path: "tokenizer.json"))
    } else {
      try readVocabularyAndMerges(folder)
    }
    let ids = Array(vocabulary.values) + [framingIDs?.begin ?? 0, framingIDs?.end ?? 0]
    if let wrong = ids.first(where: { !(0..<Int(Int32.max)).contains($0) }) {
      throw .broken(file: folder.path, reason: "a token has the id \(wrong); ids go from 0 to 2147483646")
    }
    maximumLength = try config?.maximumLength(file: folder.appending(path: "tokenizer_config.json")) ?? maximumLength
    try collectTokens(folder, config: config, json: json)
  }

  private mutating func readVocabularyAndMerges(_ folder: URL) throws(TokenizerError) {
    let vocabularyFile = folder.appending(path: "vocab.json")
    let mergesFile = folder.appending(path: "merges.txt")
    guard let vocabulary: [String: Int] = try Self.readJSON(vocabularyFile),
      let text = try Self.readFile(mergesFile).map(Array.init)
    else {
      throw .noVocabulary(folder: folder.path)
    }
    self.vocabulary = vocabulary
    var lineNumber = 0
    for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      lineNumber += 1
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if line.isEmpty || line.starts(with: "#version".utf8) { continue }
      let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw .broken(file: mergesFile.path, reason: "line \(lineNumber) is not two symbols with a space between")
      }
      merges.append(
        .init(first: String(decoding: parts[0], as: UTF8.self), second: String(decoding: parts[1], as: UTF8.self)))
    }
  }

  /// Gathers special and added tokens as transformers does: `added_tokens_decoder` of tokenizer_config.json decides
  /// where it exists; else special_tokens_map.json, added_tokens.json and tokenizer.json do.
  private mutating func collectTokens(
    _ folder: URL, config: TokenizerConfig?, json: TokenizerJSON?
  ) throws(TokenizerError) {
    var declared: [Int: AddedToken] = [:]
    var roles = config?.roles ?? TokenizerConfig.Roles()
    if let decoder = config?.addedTokensDecoder {
      declared = decoder
    } else {
      let map = try TokenizerConfig.read(folder.appending(path: "special_tokens_map.json"))
      roles.override(with: map?.roles ?? TokenizerConfig.Roles())
      let added: [String: Int] = try Self.readJSON(folder.appending(path: "added_tokens.json")) ?? [:]
      for (content, id) in added {
        let isSpecial = roles.contents.contains(content)
        declared[id] = AddedToken(content: content, isNormalized: !isSpecial, isSpecial: isSpecial)
      }
      for token in json?.addedTokens ?? [] { declared[token.id] = token.token }
    }
    add(roles, declared: declared)
  }

  /// Takes over the tokens with a part to play, after those whose ids are declared.
  mutating func add(_ roles: TokenizerConfig.Roles, declared: [Int: AddedToken]) {
    specialTokens = roles.specialTokens
    addedTokens = declared.sorted { $0.key < $1.key }.map { ($0.value, $0.key) }
    // One text may have several roles. As in transformers, properties of the last role count, unless declared above.
    for token in roles.inOrder where !declared.values.contains(where: { $0.content == token.content }) {
      if let index = addedTokens.firstIndex(where: { $0.token.content == token.content }) {
        addedTokens[index].token = token
      } else {
        addedTokens.append((token, nil))
      }
    }
  }
}

// MARK: - Files that may be absent

extension TokenizerFolder {
  /// The contents of a file, or nil where there is none.
  static func readFile(_ file: URL) throws(TokenizerError) -> Data? {
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    do {
      return try SmallFile.read(file, byteLimit: byteLimit)
    } catch let error as FileTooLargeError {
      throw .broken(file: file.path, reason: error.reason)
    } catch {
      throw .broken(file: file.path, reason: "it cannot be read (\((error as? FileError)?.reason ?? "\(error)"))")
    }
  }

  /// The JSON of a file, or nil where there is none.
  static func readJSON<Value: Decodable>(_ file: URL) throws(TokenizerError) -> Value? {
    guard let data = try readFile(file) else { return nil }
    do {
      return try JSONDecoder().decode(Value.self, from: data)
    } catch {
      throw .broken(file: file.path, reason: (error as? DecodingError)?.reason ?? error.localizedDescription)
    }
  }
}
