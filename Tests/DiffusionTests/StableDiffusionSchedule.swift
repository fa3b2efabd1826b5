import Diffusion
import TestSupport

extension Fixtures {
  /// The schedule that Stable Diffusion 1.5 is published with.
  static func stableDiffusionSchedule() throws -> SchedulerConfig {
    try ModelFolder(configs("sd15")).schedulerConfiguration
  }
}
