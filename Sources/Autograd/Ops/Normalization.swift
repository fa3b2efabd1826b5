extension Variable {
  /// Group normalisation of [batch, height, width, channels], optionally followed by SiLU.
  ///
  /// - Parameters:
  ///   - gamma: the scale, [channels].
  ///   - beta: the shift, [channels].
  public func groupNorm(gamma: Variable, beta: Variable, _ spec: GroupNormalization) -> Variable {
    let (x, scale, shift) = (value, gamma.value, beta.value)
    let (out, statistics) = x.groupNorm(gamma: scale, beta: shift, spec)
    return .jointOperation(out, inputs: [self, gamma, beta]) { g, destinations in
      x.backend.groupNormBackward(
        x, g, gamma: scale, beta: shift, statistics: statistics, spec,
        dx: destinations[0], dgamma: destinations[1], dbeta: destinations[2])
    }
  }

  /// Layer normalisation of the last axis.
  ///
  /// - Parameters:
  ///   - gamma: the scale, [channels].
  ///   - beta: the shift, [channels].
  public func layerNorm(gamma: Variable, beta: Variable, epsilon: Float) -> Variable {
    let (x, scale) = (value, gamma.value)
    let (out, statistics) = x.layerNorm(gamma: scale, beta: beta.value, epsilon: epsilon)
    return .jointOperation(out, inputs: [self, gamma, beta]) { g, destinations in
      x.backend.layerNormBackward(
        x, g, gamma: scale, statistics: statistics,
        dx: destinations[0], dgamma: destinations[1], dbeta: destinations[2])
    }
  }
}
