import Foundation

/// What one optimiser step did, averaged over its batches.
public struct StepRecord: Sendable, Hashable, Codable {
  /// The number of the step; the first is 1.
  public var step: Int
  /// The loss that was minimised.
  public var loss: Float
  /// Its part from the instance pictures.
  public var instanceLoss: Float
  /// Its part from the class pictures, before the weight; `nil` without prior preservation.
  public var priorLoss: Float?
  /// The learning rate of the step.
  public var learningRate: Double
  /// The norm of all gradients before clipping.
  public var gradientNorm: Float
  /// How long the step took.
  public var seconds: Double

  /// The record of a step.
  public init(
    step: Int, loss: Float, instanceLoss: Float, priorLoss: Float?, learningRate: Double, gradientNorm: Float,
    seconds: Double
  ) {
    self.step = step
    self.loss = loss
    self.instanceLoss = instanceLoss
    self.priorLoss = priorLoss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.seconds = seconds
  }

  enum CodingKeys: String, CodingKey {
    case step, loss, seconds
    case instanceLoss = "loss.instance"
    case priorLoss = "loss.prior"
    case learningRate = "learning_rate"
    case gradientNorm = "grad_norm"
  }
}

/// What a run tells whoever watches it.
public enum TrainingEvent: Sendable {
  /// Something that takes a while has begun, such as "Reading the model".
  case began(String)
  /// A part of it is done.
  case progressed(String, done: Int, of: Int)
  /// Something that the user should know, though the run goes on.
  case warning(String)
  /// The run goes on from a checkpoint.
  case resumed(step: Int, checkpoint: URL)
  /// An optimiser step is done.
  case stepped(StepRecord, of: Int)
  /// A checkpoint is safely on disk.
  case saved(checkpoint: URL)
  /// Sample pictures have been written.
  case sampled(images: [URL])
}

/// Watches a run; called on the thread that trains.
public typealias TrainingObserver = (TrainingEvent) -> Void
