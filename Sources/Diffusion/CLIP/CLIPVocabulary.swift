extension CLIPTokenizer {
  /// The tokenizer of OpenAI's CLIP, with which all published models of Stable Diffusion 1 and 2 were trained.
  ///
  /// - Parameter padding: the token that fills a prompt up: `<|endoftext|>` in Stable Diffusion 1, `!` in 2.
  /// - Throws: nothing but what is wrong with this package.
  public static func clip(padding: String) throws(TokenizerError) -> CLIPTokenizer {
    try CLIPTokenizer(TokenizerFolder(clipPadding: padding))
  }
}

extension TokenizerFolder {
  /// The number of ids of CLIP's vocabulary.
  static let standardVocabularySize = 49408

  /// What the folders of the published models say.
  fileprivate init(clipPadding padding: String) {
    let symbols = CLIPMerges.text.utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
      .map { String(Substring($0)) }
    merges = stride(from: 0, to: symbols.count, by: 2).map { .init(first: symbols[$0], second: symbols[$0 + 1]) }
    let bytes = ByteAlphabet.symbols.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    let tokens =
      bytes + bytes.map { $0 + BytePairEncoding.endOfWord } + merges.map { $0.first + $0.second }
      + [specialTokens.bos, specialTokens.eos]
    for (id, token) in tokens.enumerated() { vocabulary[token] = id }
    // The marks are found in any case, unless the end token also fills prompts up.
    func mark(_ content: String) -> TokenEntry {
      TokenEntry(token: AddedToken(content: content, isNormalized: true, isSpecial: true))
    }
    add(
      TokenizerConfig.Roles(
        bos: mark(specialTokens.bos), eos: mark(specialTokens.eos), unk: mark(specialTokens.unk),
        pad: TokenEntry(token: AddedToken(content: padding))),
      declared: [:])
  }
}
