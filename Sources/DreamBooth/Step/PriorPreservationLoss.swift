/// The loss of DreamBooth (Ruiz et al., 2023): how well the noise of the subject's pictures is predicted, plus a
/// weight times how well that of the class pictures is.
///
/// A batch holds all instance pictures first and all class pictures after them. Both parts are the mean over their
/// pictures of ‖prediction - target‖² / (elements of a picture).
public struct PriorPreservationLoss: Sendable {
  /// The parts of one batch's loss, scalars that stay on the device.
  public struct Value: Sendable {
    /// instance + weight · prior, through which the gradients flow.
    public let total: Variable
    /// The loss of the instance pictures.
    public let instance: Tensor
    /// The loss of the class pictures, before its weight; `nil` without prior preservation.
    public let prior: Tensor?
  }

  private let instanceCount: Int
  private let classCount: Int
  /// What each picture's own error counts in the total, [batch].
  private let weights: Tensor

  /// The loss of batches of the given composition.
  ///
  /// - Parameters:
  ///   - classCount: 0 without prior preservation.
  ///   - weight: the factor on the loss of the class pictures.
  public init(instanceCount: Int, classCount: Int, weight: Float, on backend: any Backend) {
    require(
      instanceCount > 0 && classCount >= 0, "PriorPreservationLoss: \(instanceCount) instance, \(classCount) class")
    self.instanceCount = instanceCount
    self.classCount = classCount
    let instanceWeights = [Float](repeating: 1 / Float(instanceCount), count: instanceCount)
    let classWeights = [Float](repeating: weight / Float(max(1, classCount)), count: classCount)
    weights = Tensor(instanceWeights + classWeights, [instanceCount + classCount], on: backend)
  }

  /// The loss of the batches of a run.
  init(_ configuration: TrainingConfiguration, on backend: any Backend) {
    self.init(
      instanceCount: configuration.trainBatchSize,
      classCount: configuration.withPriorPreservation ? configuration.trainBatchSize : 0,
      weight: configuration.priorLossWeight, on: backend)
  }

  /// The loss of one batch.
  ///
  /// - Parameters:
  ///   - prediction: [batch, ...].
  ///   - target: what should have been predicted, of the same shape.
  ///   - importance: a factor on each picture's error, [batch]; 1 where left out.
  public func callAsFunction(_ prediction: Variable, _ target: Tensor, importance: Tensor? = nil) -> Value {
    require(
      prediction.shape.rank > 0 && prediction.shape[0] == instanceCount + classCount,
      "PriorPreservationLoss: \(prediction.shape) is no batch of \(instanceCount) instance and \(classCount) class")
    var errors = prediction.meanSquaredError(target)
    if let importance { errors = errors * Variable(importance) }
    let values = errors.value
    return Value(
      total: (errors * Variable(weights)).sum(),
      instance: values.rows(0..<instanceCount).sum(scale: 1 / Float(instanceCount)),
      prior: classCount == 0
        ? nil : values.rows(instanceCount..<instanceCount + classCount).sum(scale: 1 / Float(classCount)))
  }
}
