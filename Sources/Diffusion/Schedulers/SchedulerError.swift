/// Why a sampler cannot walk.
public enum SchedulerError: Error, CustomStringConvertible, Equatable {
  /// `_class_name` names a scheduler that does not exist here.
  case unsupportedClass(String)
  /// A scheduler does not know how to honour a setting of the configuration.
  case unsupported(scheduler: String, setting: String)
  /// So many steps cannot be taken.
  case stepCount(Int, reason: String)

  /// What is wrong and what to do about it.
  public var description: String {
    switch self {
    case .unsupportedClass(let name):
      "the scheduler '\(name)' is not available; choose DDPMScheduler, DDIMScheduler or PNDMScheduler"
    case .unsupported(let scheduler, let setting):
      "\(scheduler) cannot honour the model's '\(setting)'; choose DDIMScheduler or DDPMScheduler"
    case .stepCount(let count, let reason):
      "\(count) sampling steps are impossible: \(reason)"
    }
  }
}
