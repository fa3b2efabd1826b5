import Foundation

/// tokenizer.json of the tokenizers library, as far as CLIP uses it.
struct TokenizerJSON: Decodable {
  struct Model: Decodable {
    var type: String?
    var endOfWordSuffix: String?
    var vocab: [String: Int]
    var merges: [MergeEntry]

    enum CodingKeys: String, CodingKey {
      case type, vocab, merges
      case endOfWordSuffix = "end_of_word_suffix"
    }
  }

  /// A merge as "a b" (older files) or ["a", "b"].
  struct MergeEntry: Decodable {
    var merge: BytePairEncoding.Merge

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      let parts =
        if let line = try? container.decode(String.self) {
          line.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map { String(Substring($0)) }
        } else {
          try container.decode([String].self)
        }
      guard parts.count == 2 else {
        throw DecodingError.dataCorruptedError(in: container, debugDescription: "a merge needs two symbols")
      }
      merge = .init(first: parts[0], second: parts[1])
    }
  }

  /// An entry of `added_tokens`.
  struct Added: Decodable {
    var id: Int
    var token: AddedToken

    enum CodingKeys: CodingKey { case id }

    init(from decoder: any Decoder) throws {
      id = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .id)
      token = try TokenEntry(from: decoder).token
    }
  }

  /// The step that frames a prompt. CLIP's is `RobertaProcessing`, whose `sep` ends and whose `cls` begins.
  struct PostProcessor: Decodable {
    var type: String
    var sep: Mark?
    var cls: Mark?
  }

  /// A token and its id.
  struct Mark: Decodable {
    var id: Int

    init(from decoder: any Decoder) throws {
      var container = try decoder.unkeyedContainer()
      _ = try container.decode(String.self)
      id = try container.decode(Int.self)
    }
  }

  var model: Model
  var addedTokens: [Added]
  var postProcessor: PostProcessor?

  enum CodingKeys: String, CodingKey {
    case model
    case addedTokens = "added_tokens"
    case postProcessor = "post_processor"
  }

  /// The file's contents, or nil where there is no file.
  static func read(_ file: URL) throws(TokenizerError) -> TokenizerJSON? {
    guard let json: TokenizerJSON = try TokenizerFolder.readJSON(file) else { return nil }
    if let type = json.model.type, type != "BPE" {
      throw .notCLIP(file: file.path, reason: "its model is \(type), not BPE")
    }
    if let suffix = json.model.endOfWordSuffix, suffix != BytePairEncoding.endOfWord {
      throw .notCLIP(file: file.path, reason: "words end in '\(suffix)', not in '\(BytePairEncoding.endOfWord)'")
    }
    return json
  }

  /// The ids round every prompt, or nil where the file leaves them to the special tokens.
  func framingIDs(file: URL) throws(TokenizerError) -> (begin: Int, end: Int)? {
    guard let postProcessor else { return nil }
    guard postProcessor.type == "RobertaProcessing", let begin = postProcessor.cls, let end = postProcessor.sep else {
      throw .notCLIP(file: file.path, reason: "its post-processor is \(postProcessor.type), not RobertaProcessing")
    }
    return (begin.id, end.id)
  }
}

/// A token in a JSON file: its text alone, or an object with its properties.
struct TokenEntry: Decodable {
  var token: AddedToken

  enum CodingKeys: String, CodingKey {
    case content, lstrip, rstrip, normalized, special
    case singleWord = "single_word"
  }
}

extension TokenEntry {
  init(from decoder: any Decoder) throws {
    if let content = try? decoder.singleValueContainer().decode(String.self) {
      token = AddedToken(content: content)
      return
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func flag(_ key: CodingKeys) throws -> Bool? { try container.decodeIfPresent(Bool.self, forKey: key) }
    let isSpecial = try flag(.special) ?? false
    token = AddedToken(
      content: try container.decode(String.self, forKey: .content),
      singleWord: try flag(.singleWord) ?? false,
      stripsLeft: try flag(.lstrip) ?? false,
      stripsRight: try flag(.rstrip) ?? false,
      isNormalized: try flag(.normalized) ?? !isSpecial,
      isSpecial: isSpecial)
  }
}

/// tokenizer_config.json and special_tokens_map.json, which name the special tokens in the same way.
struct TokenizerConfig: Decodable {
  /// The token of each role, where the file names one.
  struct Roles {
    var bos: TokenEntry?
    var eos: TokenEntry?
    var unk: TokenEntry?
    var pad: TokenEntry?

    mutating func override(with other: Roles) {
      bos = other.bos ?? bos
      eos = other.eos ?? eos
      unk = other.unk ?? unk
      pad = other.pad ?? pad
    }

    /// The roles with CLIP's own tokens where no file names any.
    var specialTokens: CLIPTokenizer.SpecialTokens {
      var tokens = CLIPTokenizer.SpecialTokens()
      tokens.bos = bos?.token.content ?? tokens.bos
      tokens.eos = eos?.token.content ?? tokens.eos
      tokens.unk = unk?.token.content ?? tokens.unk
      tokens.pad = pad?.token.content ?? tokens.pad
      return tokens
    }

    /// The text of the tokens that are named.
    var contents: Set<String> {
      Set([bos, eos, unk, pad].compactMap { $0?.token.content })
    }

    /// The special tokens in the order in which they are added; all of them count as special.
    var inOrder: [AddedToken] {
      let names = specialTokens
      return [(bos, names.bos), (eos, names.eos), (unk, names.unk), (pad, names.pad)].map { entry, content in
        var token = entry?.token ?? AddedToken(content: content)
        token.isSpecial = true
        return token
      }
    }
  }

  var roles: Roles
  var modelMaximumLength: Double?
  var addedTokensDecoder: [Int: AddedToken]?

  enum CodingKeys: String, CodingKey {
    case bos = "bos_token"
    case eos = "eos_token"
    case unk = "unk_token"
    case pad = "pad_token"
    case modelMaximumLength = "model_max_length"
    case addedTokensDecoder = "added_tokens_decoder"
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func role(_ key: CodingKeys) throws -> TokenEntry? { try container.decodeIfPresent(TokenEntry.self, forKey: key) }
    roles = Roles(bos: try role(.bos), eos: try role(.eos), unk: try role(.unk), pad: try role(.pad))
    modelMaximumLength = try container.decodeIfPresent(Double.self, forKey: .modelMaximumLength)
    addedTokensDecoder = try container.decodeIfPresent([Int: TokenEntry].self, forKey: .addedTokensDecoder)?
      .mapValues(\.token)
  }

  /// The file's contents, or nil where there is no file.
  static func read(_ file: URL) throws(TokenizerError) -> TokenizerConfig? {
    try TokenizerFolder.readJSON(file)
  }

  /// The number of positions; transformers writes 1e30 for "no limit", which means CLIP's own limit here.
  func maximumLength(file: URL) throws(TokenizerError) -> Int? {
    guard let length = modelMaximumLength, length < 1e9 else { return nil }
    guard length >= 2, length == length.rounded() else {
      throw .broken(file: file.path, reason: "'model_max_length' is \(length); it must be a whole number from 2 on")
    }
    return Int(length)
  }
}
