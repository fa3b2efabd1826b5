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
  }

  /// The last three outputs, and the sample and the sum of a step that calls the model repeatedly.
  public var memoryCount: Int { PNDMTransition.Memory.allCases.count }

  /// What follows a call; noise is never added.
  public func transition(after call: Int) -> Transition {
    let timestep = timesteps[call]
    if call < rungeKuttaCount {
      let kind: PNDMTransition.Kind = [.rungeKuttaFirst, .rungeKuttaMiddle, .rungeKuttaMiddle, .rungeKuttaLast][
        call % 4]
      return transition(
        kind, from: timesteps[call / 4 * 4], to: timestep - (call.isMultiple(of: 2) ? stride / 2 : 0))
    }
    if rungeKuttaCount == 0 && call == 1 {
      // The second call repeats the first step, from its sample, with the mean of both outputs.
      return transition(.repeated, from: timestep + stride, to: timestep)
    }
    let rising: [PNDMTransition.Kind] = [.first, .repeated, .secondOrder, .thirdOrder]
    let kind = rungeKuttaCount == 0 && call < rising.count ? rising[call] : .fourthOrder
    return transition(kind, from: timestep, to: timestep - stride)
  }

  /// The transfer from one timestep to another (equation 9 of the paper).
  private func transition(_ kind: PNDMTransition.Kind, from timestep: Int, to previousTimestep: Int) -> Transition {
    let alphaBar = schedule.alphasCumulativeProduct[timestep]
    let previousAlphaBar =
      previousTimestep >= 0
      ? schedule.alphasCumulativeProduct[previousTimestep]
      : config.setAlphaToOne ?? false ? 1 : schedule.alphasCumulativeProduct[0]
    let (betaBar, previousBetaBar) = (1 - alphaBar, 1 - previousAlphaBar)
    return Transition(
      form: PNDMTransition(kind: kind, predictionType: predictionType),
      coefficients: [
        .signal: alphaBar.squareRoot(), .noise: betaBar.squareRoot(),
        .sampleScale: (previousAlphaBar / alphaBar).squareRoot(), .noiseScale: previousAlphaBar - alphaBar,
        .noiseDivisor: alphaBar * previousBetaBar.squareRoot()
          + (alphaBar * betaBar * previousAlphaBar).squareRoot(),
      ])
  }
}

/// One of the calls of a Runge-Kutta step (equation 13 of the paper), or a step of the linear multistep method
/// (equation 12).
private struct PNDMTransition: TransitionForm {
  enum Kind: Sendable {
    case rungeKuttaFirst, rungeKuttaMiddle, rungeKuttaLast
    case first, repeated, secondOrder, thirdOrder, fourthOrder
  }

  enum Memory: Int, CaseIterable {
    /// The model's last outputs, the latest first.
    case past1, past2, past3
    /// The sample at the beginning of a step that calls the model repeatedly.
    case stepSample
    /// The weighted sum of the outputs of a Runge-Kutta step.
    case outputSum
  }

  let kind: Kind
  let predictionType: PredictionType

  func callAsFunction(_ modelOutput: Tensor, _ walk: SamplerWalk) -> Tensor {
    func memory(_ place: Memory) -> Tensor { walk.memory[place.rawValue] }
    func remember() {
      memory(.past3).assign(memory(.past2))
      memory(.past2).assign(memory(.past1))
      memory(.past1).assign(modelOutput)
    }
    switch kind {
    case .rungeKuttaFirst:
      memory(.outputSum).assign(1 / 6 * modelOutput)
      memory(.stepSample).assign(walk.sample)
      remember()
      return previousSample(walk.sample, modelOutput, walk)
    case .rungeKuttaMiddle:
      memory(.outputSum).assign(memory(.outputSum) + 1 / 3 * modelOutput)
      return previousSample(memory(.stepSample), modelOutput, walk)
    case .rungeKuttaLast:
      return previousSample(memory(.stepSample), memory(.outputSum) + 1 / 6 * modelOutput, walk)
    case .repeated:
      return previousSample(memory(.stepSample), (modelOutput + memory(.past1)).divided(by: 2), walk)
    case .first:
      memory(.stepSample).assign(walk.sample)
    case .secondOrder, .thirdOrder, .fourthOrder: break
    }
    let output = multistep(modelOutput, memory(.past1), memory(.past2), memory(.past3))
    remember()
    return previousSample(walk.sample, output, walk)
  }

  /// The output that the last ones together stand for.
  private func multistep(_ now: Tensor, _ past1: Tensor, _ past2: Tensor, _ past3: Tensor) -> Tensor {
    switch kind {
    case .secondOrder: (3 * now - past1).divided(by: 2)
    case .thirdOrder: (23 * now - 16 * past1 + 5 * past2).divided(by: 12)
    case .fourthOrder: 1 / 24 * (55 * now - 59 * past1 + 37 * past2 - 9 * past3)
    default: now
    }
  }

  private func previousSample(_ sample: Tensor, _ output: Tensor, _ walk: SamplerWalk) -> Tensor {
    let noise = predictionType == .velocity ? walk[.signal] * output + walk[.noise] * sample : output
    return walk[.sampleScale] * sample - (walk[.noiseScale] * noise) / walk[.noiseDivisor]
  }
}
