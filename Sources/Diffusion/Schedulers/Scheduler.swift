import Foundation
import Tensor

/// Makes standard normal noise of the given shape, in the sampler's order of calls.
public typealias NoiseSource = (Shape) -> Tensor

/// A sampler: says how to walk from pure noise to a sample, one call of the model after the other.
///
/// `setTimesteps` begins a walk. Then, for each of `timesteps` in order, the model is called, and `transition` says how
/// its output and the current sample, Float32 of one shape, make the next sample; a `SamplerWalk` carries it out. All
/// arithmetic is elementwise and in the order of diffusers, so it works on every device and in every memory layout.
public protocol Scheduler: Sendable {
  /// The noise of every training timestep.
  var schedule: NoiseSchedule { get }

  /// What the model's output means.
  var predictionType: PredictionType { get }

  /// The timesteps of the current walk, one for each call of the model.
  var timesteps: [Int] { get }

  /// How many tensors of the sample's shape a walk remembers from one transition to the next.
  var memoryCount: Int { get }

  /// Begins a walk of `count` steps; forgets the walk before.
  mutating func setTimesteps(_ count: Int) throws(SchedulerError)

  /// What follows a call of the model; the first call of a walk is 0.
  func transition(after call: Int) -> Transition
}

extension Scheduler {
  /// The standard deviation of the noise that a walk begins with.
  public var initialNoiseSigma: Float { 1 }
}

/// The samplers by the names that people use.
public enum SamplerName: String, Sendable, CaseIterable {
  case ddim, ddpm, pndm
}

extension SchedulerConfig {
  /// The sampler of the given name with this configuration's schedule; the one that the configuration names if there is
  /// no name.
  ///
  /// - Throws: `SchedulerError` where the sampler is none of ours or cannot do what the configuration asks for.
  public func makeScheduler(named name: SamplerName? = nil) throws(SchedulerError) -> any Scheduler {
    switch name {
    case .ddpm: return DDPMScheduler(self)
    case .ddim: return DDIMScheduler(self)
    case .pndm: return try PNDMScheduler(self)
    case nil: break
    }
    return switch className {
    case "DDPMScheduler": DDPMScheduler(self)
    case "DDIMScheduler": DDIMScheduler(self)
    case "PNDMScheduler": try PNDMScheduler(self)
    default: throw .unsupportedClass(className ?? "")
    }
  }

  /// What clipped samples are moved into.
  var clipRange: ClosedRange<Float> { -(clipSampleRange ?? 1)...(clipSampleRange ?? 1) }

  /// `count` timesteps of `total`, the latest first.
  func timesteps(_ count: Int, of total: Int) throws(SchedulerError) -> [Int] {
    guard count >= 1 else { throw .stepCount(count, reason: "there must be at least one") }
    guard count <= total else { throw .stepCount(count, reason: "the model knows \(total) timesteps") }
    let timesteps: [Int]
    switch timestepSpacing ?? .leading {
    case .linspace:
      let step = Double(total - 1) / Double(max(count - 1, 1))
      timesteps = (0..<count).reversed().map { Int((Double($0) * step).rounded(.toNearestOrEven)) }
    case .leading:
      timesteps = (0..<count).reversed().map { $0 * (total / count) + (stepsOffset ?? 0) }
    case .trailing:
      // As numpy.arange(total, 0, -ratio): its increment is the rounded difference of the first two values. Where
      // total / ratio comes out above `count`, numpy goes on to one value more, which would be the timestep -1.
      let ratio = Double(total) / Double(count)
      let increment = (Double(total) - ratio) - Double(total)
      timesteps = (0..<count).map { Int((Double(total) + Double($0) * increment).rounded(.toNearestOrEven)) - 1 }
    }
    guard timesteps[0] < total else {
      throw .stepCount(count, reason: "with steps_offset \(stepsOffset ?? 0) the first timestep is \(timesteps[0])")
    }
    return timesteps
  }
}

extension Tensor {
  /// Every element divided by a number, rounded once.
  func divided(by divisor: Float) -> Tensor {
    self / Tensor(repeating: divisor, [1], on: backend)
  }
}
