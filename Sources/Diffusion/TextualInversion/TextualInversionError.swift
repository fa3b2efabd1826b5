/// Why new words cannot be read or used.
public enum TextualInversionError: Error, Equatable, CustomStringConvertible {
  /// The file holds something else.
  case notVectors(file: String, reason: String)
  /// The word is for another text encoder.
  case wrongWidth(word: String, found: Int, expected: Int)

  /// One sentence that names the file or the word.
  public var description: String {
    switch self {
    case .notVectors(let file, let reason): "\(file) holds no new word for Stable Diffusion 1 or 2: \(reason)"
    case .wrongWidth(let word, let found, let expected):
      "'\(word)' is for another model: its vectors have \(found) numbers, and \(expected) are needed"
    }
  }
}
