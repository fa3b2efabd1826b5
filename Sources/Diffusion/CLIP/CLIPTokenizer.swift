import Foundation

/// The tokenizer of CLIP's text encoders: text to ids, as `transformers.CLIPTokenizer` gives them.
///
/// Text is cut at added tokens, normalised, split into words and encoded by byte-pair encoding. A prompt becomes
/// `maximumLength` ids: begin, at most `maximumLength - 2` ids of text, end, padding.
public struct CLIPTokenizer: Sendable {
  /// The tokens that have a part to play, by the names of transformers.
  public struct SpecialTokens: Sendable, Equatable {
    /// Begins every prompt.
    public var bos = "<|startoftext|>"
    /// Ends every prompt.
    public var eos = "<|endoftext|>"
    /// Stands for a byte without a symbol.
    public var unk = "<|endoftext|>"
    /// Fills a prompt up; Stable Diffusion 2 takes "!" where Stable Diffusion 1 takes the end token.
    public var pad = "<|endoftext|>"
  }

  /// The number of ids of an encoded prompt; the text encoder knows as many positions.
  public let maximumLength: Int

  /// The tokens with a part to play.
  public let specialTokens: SpecialTokens

  /// The id that begins every prompt.
  public let beginID: Int

  /// The id that ends every prompt.
  public let endID: Int

  /// The id that fills a prompt up.
  public let paddingID: Int

  /// The id of a byte without a symbol.
  public let unknownID: Int

  let encoding: BytePairEncoding

  /// The added tokens in the order in which they were added, with their ids.
  private(set) var addedTokens: [(token: AddedToken, id: Int)] = []

  /// The ids that stand in the place of some added token's, its own first.
  private var expansions: [Int: [Int]] = [:]

  private var rawFinder = AddedTokenFinder([])
  private var normalizedFinder = AddedTokenFinder([])

  /// Reads the tokenizer of a model folder.
  ///
  /// `folder` holds tokenizer.json, or vocab.json and merges.txt; tokenizer_config.json, special_tokens_map.json and
  /// added_tokens.json are read where they exist.
  public init(contentsOf folder: URL) throws(TokenizerError) {
    try self.init(TokenizerFolder(folder))
  }

  init(_ folder: TokenizerFolder) throws(TokenizerError) {
    encoding = try BytePairEncoding(vocabulary: folder.vocabulary, merges: folder.merges)
    specialTokens = folder.specialTokens
    maximumLength = folder.maximumLength
    var added: [(token: AddedToken, id: Int)] = []
    for (token, declared) in folder.addedTokens {
      let id = Self.nextID(for: token.content, in: encoding.vocabulary, after: added)
      if let declared, declared != id {
        throw .misplacedToken(token: token.content, declared: declared, actual: id)
      }
      added.append((token, id))
    }
    func id(_ role: String, _ content: String, known: Int? = nil) throws(TokenizerError) -> Int {
      if let id = known ?? added.first(where: { $0.token.content == content })?.id { return id }
      throw .missingToken(role: role, token: content)
    }
    beginID = try id("bos", specialTokens.bos, known: folder.framingIDs?.begin)
    endID = try id("eos", specialTokens.eos, known: folder.framingIDs?.end)
    paddingID = try id("pad", specialTokens.pad)
    unknownID = try id("unk", specialTokens.unk, known: encoding.vocabulary[specialTokens.unk])
    setAddedTokens(added)
  }

  /// The number of ids: every id that a text or the frame of a prompt can give is below it.
  public var vocabularyCount: Int {
    let roles = [beginID, endID, paddingID, unknownID]
    let ids = [encoding.vocabulary.values.max(), addedTokens.map(\.id).max(), roles.max()]
    return 1 + (ids.compactMap(\.self).max() ?? -1)
  }

  /// The id of a token, given as it stands in the vocabulary.
  public func id(of token: String) -> Int? {
    addedTokens.first { $0.token.content == token }?.id ?? encoding.vocabulary[token]
  }

  /// The ids of a text alone: without begin, end and padding, however long.
  public func ids(_ text: String) -> [Int] {
    rawFinder.split(text).flatMap { piece -> [Int] in
      switch piece {
      case .token(let id): expansions[id] ?? [id]
      case .text(let text): normalizedIDs(CLIPWordSplitter.normalized(text))
      }
    }
  }

  /// The ids of a prompt, exactly `maximumLength` of them; what does not fit is cut off.
  public func encode(_ text: String) -> [Int32] {
    let content = ids(text).prefix(maximumLength - 2)
    let padding = repeatElement(paddingID, count: maximumLength - 2 - content.count)
    return ([beginID] + content + [endID] + padding).map(Int32.init)
  }

  /// Adds words that are to be a token of their own, and returns their ids.
  ///
  /// They are found in lower and upper case and get the ids after the last one, in order; the embedding table of the
  /// text encoder must grow accordingly.
  @discardableResult
  public mutating func addTokens(_ contents: [String]) throws(TokenizerError) -> [Int] {
    var added = addedTokens
    for content in contents {
      guard !content.isEmpty, encoding.vocabulary[content] == nil,
        !added.contains(where: { $0.token.content == content })
      else { throw .cannotAdd(token: content) }
      let id = Self.nextID(for: content, in: encoding.vocabulary, after: added)
      added.append((AddedToken(content: content, isNormalized: true, isSpecial: false), id))
    }
    setAddedTokens(added)
    return added.suffix(contents.count).map(\.id)
  }

  /// Adds a word that is to be `count` tokens, and returns their ids.
  ///
  /// The further tokens are words too, as diffusers names them: `word_1`, `word_2` and so on.
  public mutating func addWord(_ word: String, tokenCount count: Int) throws(TokenizerError) -> [Int] {
    let ids = try addTokens([word] + (1..<max(count, 1)).map { "\(word)_\($0)" })
    expansions[ids[0]] = ids
    return ids
  }

  private func normalizedIDs(_ text: String) -> [Int] {
    normalizedFinder.split(text).flatMap { piece -> [Int] in
      switch piece {
      case .token(let id): expansions[id] ?? [id]
      case .text(let text): CLIPWordSplitter.words(of: text).flatMap { encoding.encode($0, unknown: unknownID) }
      }
    }
  }

  private mutating func setAddedTokens(_ added: [(token: AddedToken, id: Int)]) {
    addedTokens = added
    rawFinder = AddedTokenFinder(added.filter { !$0.token.isNormalized })
    normalizedFinder = AddedTokenFinder(added.filter { $0.token.isNormalized })
  }

  /// The id that an added token gets: its own if the vocabulary has it, else the one after the last.
  private static func nextID(
    for content: String, in vocabulary: [String: Int], after added: [(token: AddedToken, id: Int)]
  ) -> Int {
    vocabulary[content] ?? max(vocabulary.count, 1 + (added.map(\.id).max() ?? -1))
  }
}
