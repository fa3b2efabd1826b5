import Foundation

/// A new word for prompts and the vectors that it stands for (textual inversion; Gal et al., 2023).
public struct TextualInversion: Sendable, Hashable {
  /// The word.
  public let word: String
  /// The number of vectors, each of which takes the place of one token.
  public let count: Int
  /// The vectors side by side, [count, width].
  public let vectors: [Float]
  /// The type that they are stored as.
  public let dtype: DType

  /// A word of the given vectors, side by side.
  public init(_ word: String, count: Int, vectors: [Float], dtype: DType = .float32) {
    require(count > 0 && vectors.count.isMultiple(of: count), "TextualInversion: \(vectors.count) numbers in \(count)")
    self.word = word
    self.count = count
    self.vectors = vectors
    self.dtype = dtype
  }

  /// The numbers in one vector.
  public var width: Int { vectors.count / count }

  /// The same word, stored as another type: `.float32`, `.float16` or `.bfloat16`.
  public func converted(to dtype: DType) -> TextualInversion {
    TextualInversion(word, count: count, vectors: vectors, dtype: dtype)
  }
}

extension [TextualInversion] {
  /// Adds the words to a tokenizer.
  ///
  /// - Parameters:
  ///   - isTrained: whether the vectors are trained.
  ///   - width: the numbers in each vector of the text encoder.
  /// - Returns: what the text encoder is to be built with; `nil` where there are no words.
  /// - Throws: `TextualInversionError` where vectors are of another width, `TokenizerError` where a word exists already.
  public func newTokens(in tokenizer: inout CLIPTokenizer, isTrained: Bool = false, width: Int) throws -> NewTokens? {
    if let wrong = first(where: { $0.width != width }) {
      throw TextualInversionError.wrongWidth(word: wrong.word, found: wrong.width, expected: width)
    }
    guard !isEmpty else { return nil }
    var ids: [Int] = []
    for one in self { ids += try tokenizer.addWord(one.word, tokenCount: one.count) }
    return NewTokens(ids: ids, isTrained: isTrained, vectors: flatMap(\.vectors))
  }
}
