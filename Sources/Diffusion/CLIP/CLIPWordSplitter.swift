/// How CLIP prepares text: one normal form, and words, digits and runs of signs apart from each other.
enum CLIPWordSplitter {
  /// The text in Unicode normal form C, with every run of white space as one space, in lower case.
  ///
  /// Characters are put in lower case one by one, without regard to their neighbours: a capital sigma always becomes σ.
  static func normalized(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var isAfterSpace = false
    // The standard library's normal form: Foundation's damages marks after characters beyond U+FFFF.
    for scalar in String(decoding: text._nfcCodeUnits, as: UTF8.self).unicodeScalars {
      if scalar.properties.isWhitespace {
        if !isAfterSpace { result.append(" ") }
        isAfterSpace = true
      } else {
        result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        isAfterSpace = false
      }
    }
    return String(result)
  }

  /// The words of normalised text, in order, as UTF-8; white space falls away.
  ///
  /// Equals the matches of `<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+`,
  /// where the two markers fall apart into signs and letters afterwards.
  static func words(of text: String) -> [[UInt8]] {
    let scalars = Array(text.unicodeScalars)
    let kinds = scalars.map(Kind.init)
    var words: [[UInt8]] = []
    var start = 0
    while start < scalars.count {
      if let marker = markers.first(where: { scalars[start...].starts(with: $0.joined()) }) {
        words += marker.map { Array(String(scalars: $0).utf8) }
        start += marker.joined().count
        continue
      }
      var end = start + 1
      switch kinds[start] {
      case .space:
        start = end
        continue
      case .number:
        break
      case .letter, .sign:
        if let length = contractionLength(scalars, at: start) {
          end = start + length
        } else {
          while end < scalars.count, kinds[end] == kinds[start] { end += 1 }
        }
      }
      words.append(Array(String(scalars: scalars[start..<end]).utf8))
      start = end
    }
    return words
  }

  /// The length of an English contraction that begins here, with its apostrophe.
  private static func contractionLength(_ scalars: [Unicode.Scalar], at start: Int) -> Int? {
    guard scalars[start] == "'" else { return nil }
    return contractions.first { scalars[(start + 1)...].starts(with: $0) }.map { $0.count + 1 }
  }

  /// The markers at which a word begins and ends even when signs touch them, as the words they fall apart into.
  private static let markers: [[[Unicode.Scalar]]] =
    [["<|", "startoftext", "|>"], ["<|", "endoftext", "|>"]].map { $0.map { Array($0.unicodeScalars) } }

  private static let contractions: [[Unicode.Scalar]] =
    ["s", "t", "re", "ve", "m", "ll", "d"].map { Array($0.unicodeScalars) }

  /// The classes that the splitting tells apart.
  private enum Kind {
    case space, letter, number, sign

    init(_ scalar: Unicode.Scalar) {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
      case .decimalNumber, .letterNumber, .otherNumber: self = .number
      default: self = scalar.properties.isWhitespace ? .space : .sign
      }
    }
  }
}

extension String {
  /// The string of the given code points.
  init(scalars: some Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }
}
