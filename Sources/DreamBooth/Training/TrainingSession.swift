/// The state of a run while it trains: optimiser and data, moved on one optimiser step at a time.
///
/// What a step does on the device is the same each time and is recorded once; what varies is written to the device
/// before it. The host does not wait for a step's losses before it sets the next one going, and is one step ahead at
/// most.
final class TrainingSession {
  /// What a session trains.
  struct Networks {
    let unet: UNet2DConditionModel
    /// The noise that the model was trained with, and what it predicts.
    let scheduler: SchedulerConfig
    /// The parameters of all trained parts.
    let trained: [ParameterStore]
  }

  /// A step whose results are on their way.
  private struct Launch {
    let step: Int
    let learningRate: Double
    let start: ContinuousClock.Instant
    let results: any PendingDownload
  }

  /// The optimiser of all trained parts; its step count is that of the run.
  let optimizer: AdamW

  private let load: (Int) -> Void
  private let rates: LearningRateSchedule
  private let accumulationSteps: Int
  private let hasPrior: Bool
  private let isLossScaled: Bool
  private let backend: any Backend
  /// Forward and backward pass over the first batch of a step and over each further one.
  private let firstBatch, furtherBatch: RecordedStep
  /// The optimiser's part; a part of `firstBatch` where there is but one.
  private let update: RecordedStep?
  /// Written by every step.
  private let results: StepResults
  /// Steps whose records have not been asked for, earliest first.
  private var launches: [Launch] = []
  private var lastCompletion: ContinuousClock.Instant?

  /// A run at its first step.
  ///
  /// - Parameters:
  ///   - isRecorded: whether steps are recorded and replayed; the numbers are the same.
  ///   - load: makes `batch` the one of the given number; the first is 0.
  ///   - batch: asks the device for the batch, and for nothing that changes from batch to batch.
  init(
    _ networks: Networks, _ configuration: TrainingConfiguration, stepCount: Int, isRecorded: Bool = true,
    load: @escaping (Int) -> Void, batch: @escaping () -> DenoisingStep.Batch
  ) {
    let backend = networks.trained[0].backend
    self.backend = backend
    self.load = load
    isLossScaled = configuration.mixedPrecision.lossScaling != nil
    let optimizer = configuration.makeOptimizer(networks.trained)
    self.optimizer = optimizer
    rates = configuration.learningRateSchedule(stepCount: stepCount)
    let accumulationSteps = configuration.gradientAccumulationSteps
    self.accumulationSteps = accumulationSteps
    hasPrior = configuration.withPriorPreservation
    let results = StepResults(on: backend)
    self.results = results
    let loss = PriorPreservationLoss(
      instanceCount: configuration.trainBatchSize, classCount: hasPrior ? configuration.trainBatchSize : 0,
      weight: configuration.priorLossWeight, on: backend)
    let denoise = DenoisingStep(
      networks.unet, networks.scheduler, loss, snrGamma: configuration.snrGamma,
      checkpointing: configuration.gradientCheckpointing, on: backend)
    // The derivative that enters each batch: the batches of a step are averaged.
    let seed = Tensor(repeating: 1 / Float(accumulationSteps), [], on: backend)

    func recorded(_ work: @escaping () -> Void) -> RecordedStep {
      RecordedStep(on: backend, isRecorded: isRecorded, work)
    }
    func takeBatch(isFirst: Bool) {
      let loss = denoise(batch()).loss
      loss.total.backward(optimizer.scaled(seed))
      if accumulationSteps > 1 { for store in networks.trained { store.addUpGradients() } }
      results.put(loss, isFirst: isFirst)
    }
    func update() {
      results.put(lossScale: optimizer.lossScale)
      results.put(gradientNorm: optimizer.step())
    }
    furtherBatch = recorded { takeBatch(isFirst: false) }
    if accumulationSteps == 1 {
      firstBatch = recorded {
        takeBatch(isFirst: true)
        update()
      }
      self.update = nil
    } else {
      firstBatch = recorded { takeBatch(isFirst: true) }
      self.update = recorded(update)
    }
  }

  /// The number of optimiser steps that have been taken or set going.
  var step: Int { optimizer.stepCount }

  /// Sets the next optimiser step going.
  func advance() {
    let start = ContinuousClock.now
    let rate = rates.rate(atStep: step)
    let firstNumber = step * accumulationSteps
    optimizer.prepareStep(learningRate: rate)
    for part in 0..<accumulationSteps {
      load(firstNumber + part)
      (part == 0 ? firstBatch : furtherBatch).run()
    }
    update?.run()
    launches.append(
      Launch(step: step, learningRate: rate, start: start, results: backend.beginDownload(results.values)))
  }

  /// The record of the earliest step that has not been asked for.
  ///
  /// It is waited for if a later step is under way already, so that the device always has work and the host never runs
  /// ahead of it.
  ///
  /// - Parameter waiting: whether to wait for the last step too.
  /// - Returns: `nil` when the device still works on the step, or when all have been asked for.
  /// - Throws: `TrainingError.diverged`.
  func nextRecord(waiting: Bool) throws(TrainingError) -> StepRecord? {
    guard let launch = launches.first, waiting || launches.count > 1 || launch.results.isReady else { return nil }
    launches.removeFirst()
    let values = launch.results.floats()
    // A step that is set going while the device still works on the one before begins when that one ends.
    let end = ContinuousClock.now
    let start = max(launch.start, lastCompletion ?? launch.start)
    lastCompletion = end
    func value(_ entry: StepResults.Entry) -> Float { values[entry.rawValue] }
    func mean(_ entry: StepResults.Entry) -> Float { value(entry) / Float(accumulationSteps) }
    let (scale, isFinite) = (value(.lossScale), value(.gradientNorm).isFinite)
    // Gradients that overflow are what a scale is there to find; at a scale of 1 it has nothing left to give.
    guard mean(.loss).isFinite, isFinite || isLossScaled && scale > 1 else { throw .diverged(step: launch.step) }
    return StepRecord(
      step: launch.step, loss: mean(.loss), instanceLoss: mean(.instanceLoss),
      priorLoss: hasPrior ? mean(.priorLoss) : nil, learningRate: launch.learningRate,
      gradientNorm: isFinite ? value(.gradientNorm) : nil,
      lossScaling: isLossScaled ? StepRecord.LossScaling(scale: scale, isSkipped: !isFinite) : nil,
      seconds: (end - start) / .seconds(1))
  }
}
