extension CPUBackend {
  /// One AdamW step, in the order of operations of torch.optim.AdamW.
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    guard let step = AdamWStep(constants, rates, clipping, "adamW") else { return }
    let (first, second) = (moment1.host("adamW"), moment2.host("adamW"))
    forEachParameterBlock(gradient, parameter, shadow, rounding, size: NumberBlocks.size) {
      range, gradient, parameter in
      let (first, second) = (first + range.lowerBound, second + range.lowerBound)
      forEachSlot(0..<range.count) { slot in
        let updated = step.update(gradient[slot], parameter[slot], first[slot], second[slot])
        (parameter[slot], first[slot], second[slot]) = (updated.parameter, updated.moment1, updated.moment2)
      }
    }
  }

  /// One AdamW step with moments in 8 bits.
  public func adamWQuantized(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moments: QuantizedMoments, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    guard let step = AdamWStep(constants, rates, clipping, "adamWQuantized") else { return }
    let first = QuantizedNumbers(moments.codes1, moments.scales1, .signed)
    let second = QuantizedNumbers(moments.codes2, moments.scales2, .unsigned)
    forEachParameterBlock(gradient, parameter, shadow, rounding, size: QuantizedBlock.size) {
      range, gradient, parameter in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * QuantizedBlock.size) { scratch in
        guard let wide1 = scratch.baseAddress else { return }
        let wide2 = wide1 + QuantizedBlock.size
        first.read(range, into: wide1)
        second.read(range, into: wide2)
        forEachSlot(0..<range.count) { slot in
          let updated = step.update(gradient[slot], parameter[slot], wide1[slot], wide2[slot])
          (parameter[slot], wide1[slot], wide2[slot]) = (updated.parameter, updated.moment1, updated.moment2)
        }
        first.write(range, from: wide1)
        second.write(range, from: wide2)
      }
    }
  }

  /// Calls `update` for consecutive ranges of at most `size` parameters, in parallel, with their gradients and their
  /// values in Float32, and stores what it makes of the values.
  @inline(__always)
  private func forEachParameterBlock(
    _ gradient: Tensor, _ parameter: Tensor, _ shadow: Tensor?, _ rounding: StochasticRounding?, size: Int,
    _ update: (_ range: Range<Int>, _ gradient: Floats, _ parameter: Floats) -> Void
  ) {
    parameter.requireParameter(shadow, rounding)
    forEachBlock(parameter.count, of: size) { range, gradients in
      let (start, count) = (range.lowerBound, range.count)
      let values = gradients + NumberBlocks.size
      NumberBlocks.read(gradient, from: start, count, into: gradients)
      NumberBlocks.read(parameter, from: start, count, into: values)
      update(range, gradients, values)
      if let rounding {
        rounding.write(values, range, into: parameter)
      } else {
        NumberBlocks.write(values, count, into: parameter, from: start)
      }
      if let shadow { NumberBlocks.write(values, count, into: shadow, from: start) }
    }
  }
}

extension Tensor {
  /// Traps unless this can be the parameter of a step: Float32 with or without a shadow, or BFloat16 that is rounded at
  /// random.
  func requireParameter(_ shadow: Tensor?, _ rounding: StochasticRounding?) {
    let fits = rounding == nil ? dtype == .float32 : dtype == .bfloat16 && shadow == nil
    require(
      fits,
      "adamW: a parameter of \(dtype) \(shadow == nil ? "without" : "with") a shadow "
        + "\(rounding == nil ? "and without" : "and with") stochastic rounding")
  }
}

/// What all elements of a step share; PyTorch computes these in Float64 and rounds each once.
private struct AdamWStep {
  private let clipping, keep, newShare1, oldShare2, newShare2, size, root2, epsilon: Float

  /// `nil` for a step that is skipped.
  init?(_ constants: AdamWConstants, _ rates: Tensor, _ clipping: Tensor, _ name: StaticString) {
    self.clipping = clipping.host(name)[0]
    guard !self.clipping.isNaN else { return nil }
    let rates = rates.host(name)
    let (learningRate, correction1, correction2) = (Double(rates[0]), Double(rates[1]), Double(rates[2]))
    keep = Float(1 - learningRate * constants.weightDecay)
    newShare1 = Float(1 - constants.beta1)
    (oldShare2, newShare2) = (Float(constants.beta2), Float(1 - constants.beta2))
    size = Float(learningRate / correction1)
    root2 = Float(correction2.squareRoot())
    epsilon = Float(constants.epsilon)
  }

  /// Eight elements after the step.
  @inline(__always)
  func update(
    _ gradient: Lanes, _ parameter: Lanes, _ moment1: Lanes, _ moment2: Lanes
  ) -> (parameter: Lanes, moment1: Lanes, moment2: Lanes) {
    let g = gradient * clipping
    let m = moment1 + (g - moment1) * newShare1
    let v = moment2 * oldShare2 + (g * g) * newShare2
    return (parameter * keep - size * (m / (VectorMath.squareRoot(v) / root2 + epsilon)), m, v)
  }
}

/// Numbers in 8 bits in the host's memory.
private struct QuantizedNumbers {
  private let codes: UnsafeMutablePointer<UInt8>
  private let scales: Floats
  private let map: QuantizationMap

  init(_ codes: Tensor, _ scales: Tensor, _ map: QuantizationMap) {
    self.codes = UnsafeMutablePointer(address: codes.address)
    self.scales = scales.host("adamWQuantized")
    self.map = map
  }

  /// Widens the numbers of one block.
  func read(_ range: Range<Int>, into numbers: Floats) {
    let scale = scales[range.lowerBound / QuantizedBlock.size]
    map.values.withUnsafeBufferPointer { values in
      for i in 0..<range.count { numbers[i] = values[Int(codes[range.lowerBound + i])] * scale }
    }
  }

  /// Gives one block its scale and its codes.
  func write(_ range: Range<Int>, from numbers: Floats) {
    var scale: Float = 0
    for i in 0..<range.count { scale = max(scale, abs(numbers[i])) }
    let inverse = QuantizedBlock.inverse(ofScale: scale)
    scales[range.lowerBound / QuantizedBlock.size] = scale
    for i in 0..<range.count { codes[range.lowerBound + i] = map.code(of: numbers[i] * inverse) }
  }
}

extension StochasticRounding {
  /// Rounds numbers to the elements `range` of a parameter in BFloat16; the range begins at a multiple of 8.
  fileprivate func write(_ numbers: Floats, _ range: Range<Int>, into parameter: Tensor) {
    let target = UnsafeMutablePointer<UInt16>(address: parameter.address) + range.lowerBound
    let draw = UInt32(bitPattern: self.draw.hostCount("adamW").pointee)
    for start in stride(from: 0, to: range.count, by: 8) {
      let noise = stream.halfWords(block: UInt64((first + range.lowerBound + start) / 8), draw: draw)
      for i in 0..<min(8, range.count - start) {
        target[start + i] = BFloat16(numbers[start + i], noise: noise[i]).bits
      }
    }
  }
}
