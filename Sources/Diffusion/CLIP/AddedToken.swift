/// A token that is recognised in the text itself, before it is split into words.
struct AddedToken: Sendable, Hashable {
  /// The text that stands for the token.
  var content: String
  /// Whether it only counts where no letter or digit touches it.
  var singleWord = false
  /// Whether it swallows white space before it.
  var stripsLeft = false
  /// Whether it swallows white space after it.
  var stripsRight = false
  /// Whether it is looked for in the normalised text, so that upper case matches too.
  var isNormalized = false
  /// Whether it is a mark of the model, such as the end of the text, and not a word.
  var isSpecial = true
}

/// Finds added tokens in text: the leftmost first, the longest of those that begin at the same place.
struct AddedTokenFinder: Sendable {
  /// A stretch of text between tokens, or a token.
  enum Piece: Equatable {
    case text(String)
    case token(Int)
  }

  private struct Entry {
    var pattern: [Unicode.Scalar]
    var token: AddedToken
    var id: Int
  }

  private var entries: [Unicode.Scalar: [Entry]] = [:]

  /// A finder of `tokens`; patterns of normalised tokens are normalised as the text will be.
  init(_ tokens: [(token: AddedToken, id: Int)]) {
    for (token, id) in tokens {
      let content = token.isNormalized ? CLIPWordSplitter.normalized(token.content) : token.content
      let pattern = Array(content.unicodeScalars)
      if let first = pattern.first { entries[first, default: []].append(Entry(pattern: pattern, token: token, id: id)) }
    }
    for first in entries.keys { entries[first]?.sort { $0.pattern.count > $1.pattern.count } }
  }

  /// Cuts `text` at its tokens.
  func split(_ text: String) -> [Piece] {
    guard !entries.isEmpty else { return [.text(text)] }
    let scalars = Array(text.unicodeScalars)
    var pieces: [Piece] = []
    var textStart = 0
    var position = 0
    while position < scalars.count {
      guard let entry = entry(in: scalars, at: position) else {
        position += 1
        continue
      }
      var start = position
      var end = position + entry.pattern.count
      position = end
      if entry.token.singleWord, isInsideWord(scalars, start, end) { continue }
      if entry.token.stripsLeft {
        while start > textStart, scalars[start - 1].properties.isWhitespace { start -= 1 }
      }
      if entry.token.stripsRight {
        while end < scalars.count, scalars[end].properties.isWhitespace { end += 1 }
      }
      if textStart < start { pieces.append(.text(String(scalars: scalars[textStart..<start]))) }
      pieces.append(.token(entry.id))
      textStart = end
      position = end
    }
    if textStart < scalars.count { pieces.append(.text(String(scalars: scalars[textStart...]))) }
    return pieces
  }

  private func entry(in scalars: [Unicode.Scalar], at position: Int) -> Entry? {
    entries[scalars[position]]?.first { scalars[position...].starts(with: $0.pattern) }
  }

  private func isInsideWord(_ scalars: [Unicode.Scalar], _ start: Int, _ end: Int) -> Bool {
    start > 0 && Self.isWordPart(scalars[start - 1]) || end < scalars.count && Self.isWordPart(scalars[end])
  }

  /// The class `\w` of regular expressions (Unicode Technical Standard 18, annex C).
  private static func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: scalar.properties.isAlphabetic || scalar.properties.isJoinControl
    }
  }
}
