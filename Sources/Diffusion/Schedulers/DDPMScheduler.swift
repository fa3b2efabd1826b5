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

  /// Nothing but the sample goes from one transition to the next.
  public var memoryCount: Int { 0 }

  /// The step from a timestep; noise is added in all steps but the one from timestep 0.
  public func transition(after call: Int) -> Transition {
    let timestep = timesteps[call]
    let alphaBar = schedule.alphasCumulativeProduct[timestep]
    let previousAlphaBar = call + 1 < timesteps.count ? schedule.alphasCumulativeProduct[timesteps[call + 1]] : 1
    let betaBar = 1 - alphaBar
    let previousBetaBar = 1 - previousAlphaBar
    let alpha = alphaBar / previousAlphaBar
    let beta = 1 - alpha
    let posteriorVariance = max(previousBetaBar / betaBar * beta, 1e-20)
    return Transition(
      form: DDPMTransition(
        predictionType: predictionType, clipRange: config.clipSample ?? true ? config.clipRange : nil,
        addsNoise: timestep > 0),
      coefficients: [
        .signal: alphaBar.squareRoot(), .noise: betaBar.squareRoot(),
        .originalScale: previousAlphaBar.squareRoot() * beta / betaBar,
        .sampleScale: alpha.squareRoot() * previousBetaBar / betaBar,
        .deviation: deviation(posteriorVariance: posteriorVariance, beta: beta),
      ],
      addsNoise: timestep > 0)
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

/// To the mean of what may lie one step back, and some noise.
private struct DDPMTransition: TransitionForm {
  let predictionType: PredictionType
  let clipRange: ClosedRange<Float>?
  let addsNoise: Bool

  func callAsFunction(_ modelOutput: Tensor, _ walk: SamplerWalk) -> Tensor {
    var original = predictionType.originalSample(modelOutput, walk)
    if let clipRange { original = original.clamped(to: clipRange) }
    let mean = walk[.originalScale] * original + walk[.sampleScale] * walk.sample
    return addsNoise ? mean + walk[.deviation] * walk.noise : mean
  }
}

extension PredictionType {
  /// The sample without noise that the model's output implies, x₀.
  func originalSample(_ modelOutput: Tensor, _ walk: SamplerWalk) -> Tensor {
    switch self {
    case .epsilon: (walk.sample - walk[.noise] * modelOutput) / walk[.signal]
    case .velocity: walk[.signal] * walk.sample - walk[.noise] * modelOutput
    case .sample: modelOutput
    }
  }
}
