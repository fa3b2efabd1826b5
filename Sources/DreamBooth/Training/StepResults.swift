/// What a step tells of itself, in one small tensor that keeps its place on the device.
struct StepResults: Sendable {
  /// The places of the numbers; the losses are sums over the batches of a step.
  enum Entry: Int, CaseIterable {
    case loss, instanceLoss, priorLoss, gradientNorm, lossScale
  }

  /// One number for each entry.
  let values: Tensor

  /// Results of no step yet.
  init(on backend: any Backend) {
    values = Tensor(repeating: 0, [Entry.allCases.count], on: backend)
  }

  /// Writes the losses of a step's first batch, or adds those of a further one.
  func put(_ loss: PriorPreservationLoss.Value, isFirst: Bool) {
    put(loss.total.value, .loss, isFirst: isFirst)
    put(loss.instance, .instanceLoss, isFirst: isFirst)
    if let prior = loss.prior { put(prior, .priorLoss, isFirst: isFirst) }
  }

  /// Writes the norm of all gradients.
  func put(gradientNorm: Tensor) { put(gradientNorm, .gradientNorm, isFirst: true) }

  /// Writes what the loss was multiplied by.
  func put(lossScale: Tensor) { put(lossScale, .lossScale, isFirst: true) }

  private func put(_ scalar: Tensor, _ entry: Entry, isFirst: Bool) {
    let place = values.rows(entry.rawValue..<entry.rawValue + 1)
    values.backend.cast(scalar.reshaped([1]), into: isFirst ? .overwrite(place) : .accumulate(place))
  }
}
