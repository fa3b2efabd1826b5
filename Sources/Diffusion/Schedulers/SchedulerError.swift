/// Why a scheduler's configuration cannot be used.
public enum SchedulerError: Error, CustomStringConvertible, Equatable {
  /// The file cannot be read or is not JSON of the right form.
  case unreadable(file: String, reason: String)
  /// `_class_name` names a scheduler that does not exist here.
  case unsupportedClass(String)
  /// A key has a value that this scheduler does not know how to honour.
  case unsupported(key: String, value: String, supported: String)
  /// A key that no scheduler of diffusers has.
  case unknownKey(String)
  /// So many steps cannot be taken.
  case stepCount(Int, reason: String)

  /// What is wrong and what to do about it.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file) is not a scheduler configuration: \(reason)"
    case .unsupportedClass(let name):
      "the scheduler '\(name)' is not available; choose DDPMScheduler, DDIMScheduler or PNDMScheduler"
    case .unsupported(let key, let value, let supported):
      "the scheduler setting '\(key)' is \(value), which is not supported; use \(supported)"
    case .unknownKey(let key):
      "'\(key)' is no scheduler setting; remove it from scheduler_config.json or correct its spelling"
    case .stepCount(let count, let reason):
      "\(count) sampling steps are impossible: \(reason)"
    }
  }
}
