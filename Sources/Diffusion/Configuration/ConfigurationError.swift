/// Why a model's config.json cannot be followed.
public enum ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The file is not a JSON object.
  case notJSON(file: String, reason: String)
  /// An option is set to something that this project refuses.
  case unsupported(file: String, option: String, value: String, supported: String)
  /// An option holds a value that makes no sense for it.
  case wrongValue(file: String, option: String, value: String, expected: String)
  /// An option that no version of the model is known to have.
  case unknownOption(file: String, option: String, value: String)
  /// Options that contradict each other.
  case inconsistent(file: String, reason: String)

  /// The file and the option at fault, and what would be accepted.
  public var description: String {
    switch self {
    case .notJSON(let file, let reason): "\(file) is not a JSON object: \(reason)"
    case .unsupported(let file, let option, let value, let supported):
      "\(file) sets \(option) to \(value), which is not supported; supported: \(supported)"
    case .wrongValue(let file, let option, let value, let expected):
      "\(file) sets \(option) to \(value), but it must be \(expected)"
    case .unknownOption(let file, let option, let value):
      "\(file) sets the unknown option \(option) to \(value); "
        + "if it does not change what the model computes, remove it from the file"
    case .inconsistent(let file, let reason): "\(file) contradicts itself: \(reason)"
    }
  }
}
