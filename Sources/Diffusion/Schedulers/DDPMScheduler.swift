import Foundation
import Tensor

/// Ancestral sampling: J. Ho, A. Jain, P. Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020,
/// algorithm 2 and equation 7.
public struct DDPMScheduler: Scheduler {
  /// The noise of every training timestep.
  public let schedule: NoiseSchedule

  /// The timesteps of the current walk; all of them before the first `setTimesteps`.
  public private(set) var timesteps: [Int]

  private let config: SchedulerConfig

  /// The sampler with diffusers' defaults for what `config` leaves out.
  public init(_ config: SchedulerConfig) {
    self.config = config
    schedule = NoiseSchedule(config)
    timesteps = (0..<schedule.count).reversed()
  }

  /// What the model's output means.
  public var predictionType: PredictionType { config.predictionType ?? .epsilon }

  /// Begins a walk of `count` steps.
  public mutating func setTimesteps(_ count: Int) throws(SchedulerError) {
    timesteps = try config.timesteps(count, of: schedule.count)
  }

  /// The sample after the step from `timestep`; noise is added in all steps but the one from timestep 0.
  public mutating func step(_ modelOutput: Tensor, timestep: Int, sample: Tensor, noise: NoiseSource) -> Tensor {
    guard let index = timesteps.firstIndex(of: timestep) else {
      fatalError("DDPMScheduler.step: \(timestep) is not among the timesteps of this walk")
    }
    let alphaBar = schedule.alphasCumulativeProduct[timestep]
    let previousAlphaBar = index + 1 < timesteps.count ? schedule.alphasCumulativeProduct[timesteps[index + 1]] : 1
    let betaBar = 1 - alphaBar
    let previousBetaBar = 1 - previousAlphaBar
    let alpha = alphaBar / previousAlphaBar
    let beta = 1 - alpha

    var original = predictionType.originalSample(modelOutput, sample: sample, alphaBar: alphaBar)
    if config.clipSample ?? true { original = original.clamped(to: config.clipRange) }
    let originalScale = previousAlphaBar.squareRoot() * beta / betaBar
    let sampleScale = alpha.squareRoot() * previousBetaBar / betaBar
    let mean = originalScale * original + sampleScale * sample
    guard timestep > 0 else { return mean }
    let posteriorVariance = max(previousBetaBar / betaBar * beta, 1e-20)
    return mean + deviation(posteriorVariance: posteriorVariance, beta: beta) * noise(sample.shape)
  }

  /// The standard deviation of the added noise.
  private func deviation(posteriorVariance: Float, beta: Float) -> Float {
    switch config.varianceType ?? .fixedSmall {
    case .fixedSmall: posteriorVariance.squareRoot()
    case .fixedSmallLog: exp(0.5 * log(posteriorVariance))
    case .fixedLarge: beta.squareRoot()
    }
  }
}

extension PredictionType {
  /// The sample without noise that the model's output implies, x₀.
  func originalSample(_ modelOutput: Tensor, sample: Tensor, alphaBar: Float) -> Tensor {
    let (signal, noise) = (alphaBar.squareRoot(), (1 - alphaBar).squareRoot())
    switch self {
    case .epsilon: return (sample - noise * modelOutput).divided(by: signal)
    case .velocity: return signal * sample - noise * modelOutput
    case .sample: return modelOutput
    }
  }
}
