extension CLIPTokenizer {
  /// A tokenizer in CLIP's form that knows single bytes only, for models that are made from nothing.
  ///
  /// CLIP's own merges were learnt from its training texts and cannot be made up. Here every byte is a token of its own,
  /// begin and end have the ids that they have in CLIP, and the ids that CLIP's merges would take are never used. Text
  /// comes out longer than with CLIP's vocabulary: 75 bytes fill a prompt.
  ///
  /// - Parameter padding: the token that fills a prompt up.
  static func bytes(padding: String) throws(TokenizerError) -> CLIPTokenizer {
    try CLIPTokenizer(TokenizerFolder(bytesPadding: padding))
  }
}

extension TokenizerFolder {
  /// The number of ids of CLIP's vocabulary.
  static let standardVocabularySize = 49408

  /// A vocabulary of bytes, each alone and at the end of a word, in CLIP's order; no merges.
  fileprivate init(bytesPadding padding: String) {
    specialTokens.pad = padding
    let symbols = ByteAlphabet.symbols.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    let known = symbols + symbols.map { $0 + BytePairEncoding.endOfWord }
    let marks = [specialTokens.bos, specialTokens.eos]
    let unused = (known.count..<Self.standardVocabularySize - marks.count).map { "<|unused\($0)|>" }
    for (id, token) in (known + unused + marks).enumerated() { vocabulary[token] = id }
    addedTokens = marks.map { (AddedToken(content: $0), nil) }
    if !marks.contains(padding) { addedTokens.append((AddedToken(content: padding), nil)) }
  }
}
