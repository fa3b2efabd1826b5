extension Variable {
  /// The mean of (self - target)² over everything but the first axis: one number for each sample, [batch].
  public func meanSquaredError(_ target: Tensor) -> Variable {
    let prediction = value
    return .operation(
      prediction.meanSquaredError(target),
      (self, { g, dx in g.backend.meanSquaredErrorBackward(prediction, target, g, into: dx) }))
  }
}
