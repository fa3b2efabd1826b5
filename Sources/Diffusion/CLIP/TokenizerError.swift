import Foundation

/// Why a tokenizer could not be read or changed.
public enum TokenizerError: Error, CustomStringConvertible, Equatable {
  /// The folder holds neither tokenizer.json nor vocab.json with merges.txt.
  case noVocabulary(folder: String)
  /// A file exists but does not hold what it should.
  case broken(file: String, reason: String)
  /// The files describe a tokenizer that does not work like CLIP's.
  case notCLIP(file: String, reason: String)
  /// A merge speaks of a symbol that the vocabulary lacks.
  case unknownSymbol(symbol: String, merge: String)
  /// A special token, such as the padding token, has no id.
  case missingToken(role: String, token: String)
  /// An added token would not get the id that the files promise.
  case misplacedToken(token: String, declared: Int, actual: Int)
  /// A token to be added is empty or exists already.
  case cannotAdd(token: String)

  /// What is wrong and what to do about it.
  public var description: String {
    switch self {
    case .noVocabulary(let folder):
      "\(folder) holds no tokenizer: it needs tokenizer.json, or vocab.json together with merges.txt"
    case .broken(let file, let reason):
      "\(file) is damaged or not a tokenizer file: \(reason). Fetch the tokenizer folder again"
    case .notCLIP(let file, let reason):
      "\(file) does not describe a CLIP tokenizer: \(reason). Use the tokenizer folder of the Stable Diffusion model"
    case .unknownSymbol(let symbol, let merge):
      "the merge '\(merge)' needs '\(symbol)', which is not in the vocabulary; vocabulary and merges do not belong together"
    case .missingToken(let role, let token):
      "the \(role) token '\(token)' is not in the vocabulary; check tokenizer_config.json"
    case .misplacedToken(let token, let declared, let actual):
      "the added token '\(token)' is declared with id \(declared) but would get \(actual); the tokenizer files disagree"
    case .cannotAdd(let token):
      "cannot add the token '\(token)': it is empty or exists already; choose another word"
    }
  }
}
