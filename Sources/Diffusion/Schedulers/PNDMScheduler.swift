import Tensor

/// Pseudo numerical methods on manifolds: L. Liu, Y. Ren, Z. Lin, Z. Zhao, ICLR 2022.
///
/// A linear multistep method of fourth order (PLMS) over the outputs of the last four steps. The first outputs come
/// from three Runge-Kutta steps (PRK), each of four calls of the model, or, with `skip_prk_steps`, from multistep
/// formulas of rising order after one repeated step, as in Stable Diffusion.
public struct PNDMScheduler: Scheduler {
  /// The noise of every training timestep.
  public let schedule: NoiseSchedule

  /// The timesteps of the current walk; more than there are steps, as some steps call the model repeatedly.
  public private(set) var timesteps: [Int] = []

  private let config: SchedulerConfig

  /// The distance of two steps, in training timesteps.
  private var stride = 1

  /// How many of the timesteps belong to Runge-Kutta steps.
  private var rungeKuttaCount = 0

  /// The number of calls since the walk began.
  private var callCount = 0

  /// The model's last outputs, at most four.
  private var outputs: [Tensor] = []

  /// The sample at the beginning of a step that calls the model repeatedly.
  private var stepSample: Tensor?

  /// The weighted sum of the outputs of the current Runge-Kutta step.
  private var outputSum: Tensor?

  /// The sampler with diffusers' defaults for what `config` leaves out.
  ///
  /// - Throws: `SchedulerError.unsupported` where the model predicts the sample, or the last timestep is nothing but
  ///   noise.
  public init(_ config: SchedulerConfig) throws(SchedulerError) {
    if config.predictionType == .sample {
      throw .unsupported(scheduler: "PNDMScheduler", setting: "prediction_type: sample")
    }
    if config.rescaleBetasZeroSNR ?? false {
      throw .unsupported(scheduler: "PNDMScheduler", setting: "rescale_betas_zero_snr: true")
    }
    self.config = config
    schedule = NoiseSchedule(config)
  }

  /// What the model's output means.
  public var predictionType: PredictionType { config.predictionType ?? .epsilon }

  private var skipsRungeKutta: Bool { config.skipPRKSteps ?? false }

  /// Begins a walk of `count` steps.
  public mutating func setTimesteps(_ count: Int) throws(SchedulerError) {
    let steps = try config.timesteps(count, of: schedule.count)
    let stride = schedule.count / count
    if skipsRungeKutta {
      rungeKuttaCount = 0
      timesteps = steps.count < 2 ? steps : Array([steps[0], steps[1]] + steps[1...])
    } else {
      guard steps.count >= 4 else { throw .stepCount(count, reason: "without skip_prk_steps there must be four") }
      // Three steps of four calls: at the step, twice halfway to the next one, and there.
      let rungeKutta = (0..<3).flatMap { step -> [Int] in
        let (start, end) = (steps[step], steps[step + 1])
        let middle = end + stride / 2
        return [start, middle, middle, end]
      }
      rungeKuttaCount = rungeKutta.count
      timesteps = rungeKutta + steps[3...]
    }
    self.stride = stride
    callCount = 0
    outputs = []
    stepSample = nil
    outputSum = nil
  }

  /// The sample after the call at `timestep`; never asks for noise.
  public mutating func step(_ modelOutput: Tensor, timestep: Int, sample: Tensor, noise: NoiseSource) -> Tensor {
    defer { callCount += 1 }
    return callCount < rungeKuttaCount
      ? rungeKuttaStep(modelOutput, timestep: timestep, sample: sample)
      : multistep(modelOutput, timestep: timestep, sample: sample)
  }

  /// One of the four calls of a Runge-Kutta step (equation 13 of the paper).
  private mutating func rungeKuttaStep(_ modelOutput: Tensor, timestep: Int, sample: Tensor) -> Tensor {
    let previousTimestep = timestep - (callCount % 2 == 0 ? stride / 2 : 0)
    let stepTimestep = timesteps[callCount / 4 * 4]
    var output = modelOutput
    switch callCount % 4 {
    case 0:
      outputSum = adding(1 / 6 * modelOutput)
      outputs.append(modelOutput)
      stepSample = sample
    case 1, 2:
      outputSum = adding(1 / 3 * modelOutput)
    default:
      output = adding(1 / 6 * modelOutput)
      outputSum = nil
    }
    return previousSample(stepSample ?? sample, output, timestep: stepTimestep, previousTimestep: previousTimestep)
  }

  private func adding(_ term: Tensor) -> Tensor {
    outputSum.map { $0 + term } ?? term
  }

  /// One step of the linear multistep method (equation 12 of the paper).
  private mutating func multistep(_ modelOutput: Tensor, timestep: Int, sample: Tensor) -> Tensor {
    var (timestep, previousTimestep, sample) = (timestep, timestep - stride, sample)
    if callCount == 1 {
      // The second call repeats the first step, from its sample, with the mean of both outputs.
      previousTimestep = timestep
      timestep += stride
    } else {
      outputs = outputs.suffix(3) + [modelOutput]
    }
    let output: Tensor
    let past = Array(outputs.reversed())
    switch past.count {
    case 1 where callCount == 0:
      output = modelOutput
      stepSample = sample
    case 1:
      output = (modelOutput + past[0]).divided(by: 2)
      sample = stepSample ?? sample
      stepSample = nil
    case 2:
      output = (3 * past[0] - past[1]).divided(by: 2)
    case 3:
      output = (23 * past[0] - 16 * past[1] + 5 * past[2]).divided(by: 12)
    default:
      output = 1 / 24 * (55 * past[0] - 59 * past[1] + 37 * past[2] - 9 * past[3])
    }
    return previousSample(sample, output, timestep: timestep, previousTimestep: previousTimestep)
  }

  /// The transfer from one timestep to another (equation 9 of the paper).
  private func previousSample(_ sample: Tensor, _ output: Tensor, timestep: Int, previousTimestep: Int) -> Tensor {
    let alphaBar = schedule.alphasCumulativeProduct[timestep]
    let previousAlphaBar =
      previousTimestep >= 0
      ? schedule.alphasCumulativeProduct[previousTimestep]
      : config.setAlphaToOne ?? false ? 1 : schedule.alphasCumulativeProduct[0]
    let (betaBar, previousBetaBar) = (1 - alphaBar, 1 - previousAlphaBar)
    let noise =
      predictionType == .velocity ? alphaBar.squareRoot() * output + betaBar.squareRoot() * sample : output
    let sampleScale = (previousAlphaBar / alphaBar).squareRoot()
    let divisor = alphaBar * previousBetaBar.squareRoot() + (alphaBar * betaBar * previousAlphaBar).squareRoot()
    return sampleScale * sample - ((previousAlphaBar - alphaBar) * noise).divided(by: divisor)
  }
}
