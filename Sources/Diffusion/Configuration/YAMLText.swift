import Foundation
import Yams

/// The text of YAML files that people write, without those that were made to keep a reader busy.
///
/// YAML may say "what stands there" many times over, so that a short text means something of any size, and its keys may
/// be structures, all of which are compared. The parser limits neither.
package enum YAMLText {
  /// Twenty times what configurations have.
  static let byteLimit = 1 << 16
  /// With so many references to other places a text can mean at most 400 times what it says.
  static let referenceLimit = 16
  /// How many keys may be marked as such, which only those that are structures need.
  static let markedKeyLimit = 16
  /// How many brackets may be open at a time.
  static let bracketLimit = 32

  /// The text of a file.
  ///
  /// - Throws: `FileError` or `FileTooLargeError` where it cannot be read, `YAMLTextError` where it is no text or goes
  ///   beyond a limit.
  static func read(_ url: URL) throws -> String {
    let data = try SmallFile.read(url, byteLimit: byteLimit)
    let path = url.path(percentEncoded: false)
    guard let text = String(data: data, encoding: .utf8) else {
      throw YAMLTextError(path: path, reason: "cannot be read (it is not text)")
    }
    let marks = Marks(text)
    // Without an anchor a reference leads nowhere, and stars are but stars.
    guard marks.anchors == 0 || marks.references <= referenceLimit else {
      throw YAMLTextError(path: path, reason: "has more than \(referenceLimit) references, such as *name")
    }
    guard marks.keys <= markedKeyLimit, marks.openBrackets <= bracketLimit else {
      throw YAMLTextError(path: path, reason: "is nested more deeply than any configuration")
    }
    return text
  }

  /// How often a text has characters that have a meaning in YAML where they could have it.
  private struct Marks {
    private(set) var anchors = 0
    private(set) var references = 0
    private(set) var keys = 0
    /// The most that are open at a time.
    private(set) var openBrackets = 0

    init(_ text: String) {
      var open = 0
      var previous: Character = " "
      for (character, next) in zip(text, text.dropFirst() + " ") {
        // Within a word it is a part of it.
        let begins = !previous.isLetter && !previous.isNumber
        switch character {
        case "&" where begins && !next.isWhitespace: anchors += 1
        case "*" where begins && !next.isWhitespace: references += 1
        case "?" where begins && next.isWhitespace: keys += 1
        case "[", "{": open += 1
        case "]", "}": open = max(0, open - 1)
        default: break
        }
        openBrackets = max(openBrackets, open)
        previous = character
      }
    }
  }

  /// What a file says; nil where it says nothing.
  ///
  /// - Throws: `YAMLTextError`.
  package static func root(of url: URL) throws(YAMLTextError) -> Node? {
    do {
      return try Yams.compose(yaml: read(url))
    } catch {
      throw YAMLTextError(path: url.path(percentEncoded: false), reason: reason(error))
    }
  }

  /// Why a text is not the YAML that was expected, in one line and without the text around the place.
  static func reason(_ error: any Error) -> String {
    switch error {
    case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
      YamlError.composer(_, let problem, let mark, _):
      "line \(mark.line): \(problem)"
    case YamlError.duplicatedKeysInMapping(let keys, _):
      "sets \(keys.map { "'\($0)'" }.joined(separator: ", ")) twice"
    case YamlError.reader(let problem, _, _, _): "is not text: \(problem)"
    case let error as DecodingError: error.reason
    case let error as YAMLTextError: error.reason
    case let error as FileTooLargeError: error.reason
    case let error as FileError: "cannot be read (\(error.reason))"
    default: "is not YAML"
    }
  }
}

/// A YAML file that is not read.
package struct YAMLTextError: Error, Equatable, CustomStringConvertible {
  /// The file.
  package let path: String
  /// What is wrong with it, without its name.
  package let reason: String

  /// One line that names the file.
  package var description: String { "\(path) \(reason)" }
}
