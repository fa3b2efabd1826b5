// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
// The protocol documents what its requirements do; here they are noted down and passed on.

extension ProfilingBackend {
  public func fill(_ value: Float, into out: Tensor) {
    account(.fill, elements: out.count, reading: [], writing: [.overwrite(out)]) { device.fill(value, into: out) }
  }

  public func cast(_ x: Tensor, into out: Destination) {
    account(.cast, "\(x.dtype)", elements: x.count, reading: [x], writing: [out]) { device.cast(x, into: out) }
  }

  public func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination) {
    account(.unary, operation.rawValue, elements: x.count, reading: [x], writing: [out]) {
      device.unary(operation, x, into: out)
    }
  }

  public func binary(
    _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination
  ) {
    account(.binary, operation.rawValue, elements: out.tensor.count, reading: [a, b], writing: [out]) {
      device.binary(operation, a, b, broadcast, into: out)
    }
  }

  public func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination) {
    account(.affine, elements: x.count, reading: [x], writing: [out]) {
      device.affine(x, scale: scale, shift: shift, into: out)
    }
  }

  public func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination) {
    account(.transpose, "\(permutation)", elements: x.count, reading: [x], writing: [out]) {
      device.transpose(x, permutation, into: out)
    }
  }

  public func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination) {
    // Only what is copied counts, not the whole of both tensors.
    let count = copy.outer * copy.count
    let isPart = count <= x.count && count <= out.tensor.count
    account(
      .copyBlocks, "\(copy.outer)x\(copy.count)", elements: count,
      reading: [isPart ? x.part(at: 0, [count]) : x],
      writing: [isPart ? Destination(tensor: out.tensor.part(at: 0, [count]), write: out.write) : out]
    ) { device.copyBlocks(x, copy, into: out) }
  }

  public func upsampleNearest(_ x: Tensor, into out: Tensor) {
    account(.upsampleNearest, elements: x.count, reading: [x], writing: [.overwrite(out)]) {
      device.upsampleNearest(x, into: out)
    }
  }

  public func upsampleNearestBackward(_ gradient: Tensor, into dx: Destination) {
    account(.upsampleNearestBackward, elements: gradient.count, reading: [gradient], writing: [dx]) {
      device.upsampleNearestBackward(gradient, into: dx)
    }
  }
}

// MARK: - Reductions, matrix products and convolutions

extension ProfilingBackend {
  public func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination) {
    account(.sum, "\(outer)x\(count)x\(inner)", elements: x.count, reading: [x], writing: [out]) {
      device.sum(x, outer: outer, count: count, inner: inner, scale: scale, into: out)
    }
  }

  public func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination) {
    account(.meanSquaredError, elements: a.count, reading: [a, b], writing: [out]) {
      device.meanSquaredError(a, b, into: out)
    }
  }

  public func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination) {
    account(.meanSquaredErrorBackward, elements: a.count, reading: [a, b, gradient], writing: [da]) {
      device.meanSquaredErrorBackward(a, b, gradient, into: da)
    }
  }

  public func matrixProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor?, into out: Destination) {
    account(
      .matrixProduct, product.description, flops: OperationCost.matrixProduct(product), reading: [a, b, bias],
      writing: [out]
    ) { device.matrixProduct(a, b, product, bias: bias, into: out) }
  }

  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {
    account(
      .convolution, flops: OperationCost.convolution(output: out.shape, weight: weight.count),
      reading: [x, weight, bias], writing: [.overwrite(out)]
    ) { device.convolution(x, weight, bias: bias, spec, into: out) }
  }

  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {
    account(
      .convolutionBackwardInput, flops: OperationCost.convolution(output: gradient.shape, weight: weight.count),
      reading: [gradient, weight], writing: [dx]
    ) { device.convolutionBackwardInput(gradient, weight, spec, into: dx) }
  }

  public func convolutionBackwardWeight(_ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination) {
    account(
      .convolutionBackwardWeight, flops: OperationCost.convolution(output: gradient.shape, weight: dw.tensor.count),
      reading: [x, gradient], writing: [dw]
    ) { device.convolutionBackwardWeight(x, gradient, spec, into: dw) }
  }
}

// MARK: - Normalisation and attention

extension ProfilingBackend {
  public func groupNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, _ spec: GroupNormalization, into out: Tensor, statistics: Tensor
  ) {
    account(
      .groupNorm, spec.silu ? "silu" : "", elements: x.count, reading: [x, gamma, beta],
      writing: [.overwrite(out), .overwrite(statistics)]
    ) { device.groupNorm(x, gamma: gamma, beta: beta, spec, into: out, statistics: statistics) }
  }

  public func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    account(
      .groupNormBackward, spec.silu ? "silu" : "", elements: x.count, reading: [x, gamma, beta, statistics, gradient],
      writing: [dx, dgamma, dbeta]
    ) {
      device.groupNormBackward(
        x, gradient, gamma: gamma, beta: beta, statistics: statistics, spec, dx: dx, dgamma: dgamma, dbeta: dbeta)
    }
  }

  public func layerNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor
  ) {
    account(
      .layerNorm, elements: x.count, reading: [x, gamma, beta], writing: [.overwrite(out), .overwrite(statistics)]
    ) { device.layerNorm(x, gamma: gamma, beta: beta, epsilon: epsilon, into: out, statistics: statistics) }
  }

  public func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    account(
      .layerNormBackward, elements: x.count, reading: [x, gamma, statistics, gradient], writing: [dx, dgamma, dbeta]
    ) {
      device.layerNormBackward(
        x, gradient, gamma: gamma, statistics: statistics, dx: dx, dgamma: dgamma, dbeta: dbeta)
    }
  }

  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    account(
      .attention, spec.causal ? "causal" : "", flops: OperationCost.attention(queries: q.shape, keys: k.shape[1]),
      reading: [q, k, v], writing: [.overwrite(out), .overwrite(logSumExp)]
    ) { device.attention(q, k, v, spec, into: out, logSumExp: logSumExp) }
  }

  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    account(
      .attentionBackward, spec.causal ? "causal" : "",
      flops: OperationCost.attentionBackward(queries: q.shape, keys: k.shape[1]),
      reading: [q, k, v, out, logSumExp, gradient], writing: [dq, dk, dv]
    ) {
      device.attentionBackward(
        q, k, v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
    }
  }
}

// MARK: - Gated feed-forward, embedding, random numbers and optimiser

extension ProfilingBackend {
  public func geglu(_ x: Tensor, into out: Tensor) {
    account(.geglu, elements: out.count, reading: [x], writing: [.overwrite(out)]) { device.geglu(x, into: out) }
  }

  public func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination) {
    account(.gegluBackward, elements: gradient.count, reading: [x, gradient], writing: [dx]) {
      device.gegluBackward(x, gradient, into: dx)
    }
  }

  public func gather(_ table: Tensor, _ indices: Tensor, into out: Tensor) {
    // As much of the table is read as is written.
    account(.gather, elements: out.count, reading: [indices, out], writing: [.overwrite(out)]) {
      device.gather(table, indices, into: out)
    }
  }

  public func gatherBackward(_ indices: Tensor, _ gradient: Tensor, into dtable: Destination) {
    account(.gatherBackward, elements: gradient.count, reading: [indices, gradient], writing: [dtable]) {
      device.gatherBackward(indices, gradient, into: dtable)
    }
  }

  public func uniform(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    account(.uniform, elements: out.count, reading: [draw], writing: [.overwrite(out)]) {
      device.uniform(stream, draw: draw, into: out)
    }
  }

  public func normal(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    account(.normal, elements: out.count, reading: [draw], writing: [.overwrite(out)]) {
      device.normal(stream, draw: draw, into: out)
    }
  }

  public func sumOfSquares(_ x: Tensor, into out: Destination) {
    account(.sumOfSquares, elements: x.count, reading: [x], writing: [out]) { device.sumOfSquares(x, into: out) }
  }

  public func clippingFactor(_ sumOfSquares: Tensor, scale: Tensor, maximumNorm: Float, into out: Tensor) {
    account(.clippingFactor, elements: out.count, reading: [sumOfSquares, scale], writing: [.overwrite(out)]) {
      device.clippingFactor(sumOfSquares, scale: scale, maximumNorm: maximumNorm, into: out)
    }
  }

  public func countStep(_ constants: AdamWConstants, clipping: Tensor, steps: Tensor, rates: Tensor) {
    account(
      .countStep, elements: 1, reading: [clipping], writing: [.accumulate(steps), .accumulate(rates)]
    ) { device.countStep(constants, clipping: clipping, steps: steps, rates: rates) }
  }

  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    account(
      .adamW, shadow.map { "shadow \($0.dtype)" } ?? "", elements: parameter.count,
      reading: [rates, clipping, gradient],
      writing: [.accumulate(parameter), .accumulate(moment1), .accumulate(moment2)]
        + [shadow.map { .overwrite($0) }]
    ) {
      device.adamW(
        constants, rates: rates, clipping: clipping, gradient: gradient, parameter: parameter, moment1: moment1,
        moment2: moment2, shadow: shadow, rounding: rounding)
    }
  }

  public func adamWQuantized(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moments: QuantizedMoments, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    let state = [moments.codes1, moments.scales1, moments.codes2, moments.scales2]
    account(
      .adamWQuantized, shadow.map { "shadow \($0.dtype)" } ?? "", elements: parameter.count,
      reading: [rates, clipping, gradient],
      writing: ([parameter] + state).map { .accumulate($0) } + [shadow.map { .overwrite($0) }]
    ) {
      device.adamWQuantized(
        constants, rates: rates, clipping: clipping, gradient: gradient, parameter: parameter, moments: moments,
        shadow: shadow, rounding: rounding)
    }
  }

  public func updateScale(_ scaling: LossScaling, clipping: Tensor, scale: Tensor, goodSteps: Tensor) {
    account(
      .updateScale, elements: 1, reading: [clipping], writing: [.accumulate(scale), .accumulate(goodSteps)]
    ) { device.updateScale(scaling, clipping: clipping, scale: scale, goodSteps: goodSteps) }
  }
}
