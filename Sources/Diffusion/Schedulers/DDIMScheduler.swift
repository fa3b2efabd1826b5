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

  /// The sample after the step from `timestep`; noise is added where `eta` is above 0.
  public mutating func step(_ modelOutput: Tensor, timestep: Int, sample: Tensor, noise: NoiseSource) -> Tensor {
    let alphaBar = schedule.alphasCumulativeProduct[timestep]
    let previousAlphaBar = previousAlphaBar(timestep - stride)
    let betaBar = 1 - alphaBar
    let (signalScale, noiseScale) = (alphaBar.squareRoot(), betaBar.squareRoot())

    var original = predictionType.originalSample(modelOutput, sample: sample, alphaBar: alphaBar)
    let predictedNoise: Tensor
    switch predictionType {
    case .epsilon: predictedNoise = modelOutput
    case .velocity: predictedNoise = signalScale * modelOutput + noiseScale * sample
    case .sample: predictedNoise = (sample - signalScale * original).divided(by: noiseScale)
    }
    if config.clipSample ?? true { original = original.clamped(to: config.clipRange) }

    let variance = (1 - previousAlphaBar) / betaBar * (1 - alphaBar / previousAlphaBar)
    let deviation = eta * variance.squareRoot()
    let direction = (1 - previousAlphaBar - deviation * deviation).squareRoot() * predictedNoise
    let previous = previousAlphaBar.squareRoot() * original + direction
    return eta > 0 ? previous + deviation * noise(sample.shape) : previous
  }

  /// ᾱ of the timestep that a step arrives at; before the first one the configuration decides.
  private func previousAlphaBar(_ timestep: Int) -> Float {
    if timestep >= 0 { return schedule.alphasCumulativeProduct[timestep] }
    return config.setAlphaToOne ?? true ? 1 : schedule.alphasCumulativeProduct[0]
  }
}
