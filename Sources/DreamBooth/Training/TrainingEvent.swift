import Foundation

/// What one optimiser step did, averaged over its batches.
public struct StepRecord: Sendable, Hashable, Codable {
  /// What became of a loss that was scaled, as Float16 training needs it.
  public struct LossScaling: Sendable, Hashable, Codable {
    /// What the loss was multiplied by.
    public var scale: Float
    /// Whether the step changed nothing, because gradients were not finite at that scale; the next one is smaller.
    public var isSkipped: Bool

    /// A step at the given scale.
    public init(scale: Float, isSkipped: Bool) {
      self.scale = scale
      self.isSkipped = isSkipped
    }

    enum CodingKeys: String, CodingKey {
      case scale
      case isSkipped = "skipped"
    }
  }

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
  /// The norm of all gradients before clipping, the scale of the loss taken out; `nil` in a step that was skipped.
  public var gradientNorm: Float?
  /// The scale of the loss; `nil` where it is not scaled.
  public var lossScaling: LossScaling?
  /// How long the step took.
  public var seconds: Double

  /// The record of a step.
  public init(
    step: Int, loss: Float, instanceLoss: Float, priorLoss: Float?, learningRate: Double, gradientNorm: Float?,
    lossScaling: LossScaling? = nil, seconds: Double
  ) {
    self.step = step
    self.loss = loss
    self.instanceLoss = instanceLoss
    self.priorLoss = priorLoss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.lossScaling = lossScaling
    self.seconds = seconds
  }

  enum CodingKeys: String, CodingKey {
    case step, loss, seconds
    case instanceLoss = "loss.instance"
    case priorLoss = "loss.prior"
    case learningRate = "learning_rate"
    case gradientNorm = "grad_norm"
    case lossScaling = "loss_scaling"
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
