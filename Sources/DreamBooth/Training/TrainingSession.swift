/// The state of a run while it trains: networks, optimiser and data, moved on one optimiser step at a time.
final class TrainingSession {
  /// The networks.
  let model: TrainingModel
  /// The optimiser of all trained parts; its step count is that of the run.
  let optimizer: AdamW

  private let batch: (Int) -> DenoisingStep.Batch
  private let denoise: DenoisingStep
  private let rates: LearningRateSchedule
  private let accumulationSteps: Int
  /// The derivative that enters each batch: the steps of an accumulation are averaged.
  private let seedGradient: Tensor

  /// A run at its first step.
  ///
  /// - Parameter batch: makes a batch of the given number; the first is 0.
  init(
    _ model: TrainingModel, _ configuration: TrainingConfiguration, stepCount: Int,
    batch: @escaping (Int) -> DenoisingStep.Batch
  ) {
    let backend = model.backend
    self.model = model
    self.batch = batch
    optimizer = AdamW(
      model.parts.map(\.parameters), configuration.adamW, maximumGradientNorm: configuration.maxGradNorm)
    let loss = PriorPreservationLoss(
      instanceCount: configuration.trainBatchSize,
      classCount: configuration.withPriorPreservation ? configuration.trainBatchSize : 0,
      weight: configuration.priorLossWeight, on: backend)
    denoise = DenoisingStep(
      model.pipeline.unet, model.folder.schedulerConfiguration, loss, snrGamma: configuration.snrGamma,
      checkpointing: configuration.gradientCheckpointing, on: backend)
    rates = configuration.learningRateSchedule(stepCount: stepCount)
    accumulationSteps = configuration.gradientAccumulationSteps
    seedGradient = Tensor(repeating: 1 / Float(accumulationSteps), [], on: backend)
  }

  /// The number of optimiser steps taken.
  var step: Int { optimizer.stepCount }

  /// Takes one optimiser step.
  ///
  /// - Throws: `TrainingError.diverged`.
  func advance() throws(TrainingError) -> StepRecord {
    let clock = ContinuousClock()
    let start = clock.now
    let rate = rates.rate(atStep: step)
    let losses = (0..<accumulationSteps).map { part in
      let loss = denoise(batch(step * accumulationSteps + part)).loss
      loss.total.backward(seedGradient)
      return loss
    }
    let norm = optimizer.step(learningRate: rate)
    // Only now, with the whole step under way, is the device waited for.
    let record = StepRecord(
      step: step, loss: mean(losses.map(\.total.value)), instanceLoss: mean(losses.map(\.instance)),
      priorLoss: losses[0].prior == nil ? nil : mean(losses.compactMap(\.prior)), learningRate: rate,
      gradientNorm: norm.scalar, seconds: (clock.now - start) / .seconds(1))
    guard record.loss.isFinite, record.gradientNorm.isFinite else { throw .diverged(step: step) }
    return record
  }

  private func mean(_ scalars: [Tensor]) -> Float {
    scalars.reduce(0) { $0 + $1.scalar } / Float(scalars.count)
  }
}
