import Tensor

/// Denoising diffusion implicit models: J. Song, C. Meng, S. Ermon, ICLR 2021, equations 12 and 16.
public struct DDIMScheduler: Scheduler {
  /// The noise of every training timestep.
  public let schedule: NoiseSchedule

  /// The timesteps of the current walk.
  public private(set) var timesteps: [Int] = []

  /// How much noise a step adds: none with 0, as much as DDPM with 1.
  public var eta: Float = 0

  private let config: SchedulerConfig

  /// The distance of two steps, in training timesteps.
  private var stride = 1

  /// The sampler with diffusers' defaults for what `config` leaves out.
  public init(_ config: SchedulerConfig) {
    self.config = config
    schedule = NoiseSchedule(config)
  }

  /// What the model's output means.
  public var predictionType: PredictionType { config.predictionType ?? .epsilon }

  /// Begins a walk of `count` steps.
  public mutating func setTimesteps(_ count: Int) throws(SchedulerError) {
    timesteps = try config.timesteps(count, of: schedule.count)
    stride = schedule.count / count
  }

  /// Nothing but the sample goes from one transition to the next.
  public var memoryCount: Int { 0 }

  /// The step from a timestep; noise is added where `eta` is above 0.
  public func transition(after call: Int) -> Transition {
    let timestep = timesteps[call]
    let alphaBar = schedule.alphasCumulativeProduct[timestep]
    let previousAlphaBar = previousAlphaBar(timestep - stride)
    let betaBar = 1 - alphaBar
    let variance = (1 - previousAlphaBar) / betaBar * (1 - alphaBar / previousAlphaBar)
    let deviation = eta * variance.squareRoot()
    return Transition(
      form: DDIMTransition(
        predictionType: predictionType, clipRange: config.clipSample ?? true ? config.clipRange : nil,
        addsNoise: eta > 0),
      coefficients: [
        .signal: alphaBar.squareRoot(), .noise: betaBar.squareRoot(),
        .originalScale: previousAlphaBar.squareRoot(),
        .noiseScale: (1 - previousAlphaBar - deviation * deviation).squareRoot(), .deviation: deviation,
      ],
      addsNoise: eta > 0)
  }

  /// ᾱ of the timestep that a step arrives at; before the first one the configuration decides.
  private func previousAlphaBar(_ timestep: Int) -> Float {
    if timestep >= 0 { return schedule.alphasCumulativeProduct[timestep] }
    return config.setAlphaToOne ?? true ? 1 : schedule.alphasCumulativeProduct[0]
  }
}

/// To the sample without noise that the model's output implies, and from there back to less noise than before.
private struct DDIMTransition: TransitionForm {
  let predictionType: PredictionType
  let clipRange: ClosedRange<Float>?
  let addsNoise: Bool

  func callAsFunction(_ modelOutput: Tensor, _ walk: SamplerWalk) -> Tensor {
    var original = predictionType.originalSample(modelOutput, walk)
    let predictedNoise: Tensor
    switch predictionType {
    case .epsilon: predictedNoise = modelOutput
    case .velocity: predictedNoise = walk[.signal] * modelOutput + walk[.noise] * walk.sample
    case .sample: predictedNoise = (walk.sample - walk[.signal] * original) / walk[.noise]
    }
    if let clipRange { original = original.clamped(to: clipRange) }
    let direction = walk[.noiseScale] * predictedNoise
    let previous = walk[.originalScale] * original + direction
    return addsNoise ? previous + walk[.deviation] * walk.noise : previous
  }
}
