import CPUKernels

extension CPUBackend {
  /// One AdamW step, in the order of operations of torch.optim.AdamW.
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    guard let step = AdamWStep(constants, rates, clipping, "adamW") else { return }
    let (first, second) = (moment1.host("adamW"), moment2.host("adamW"))
    forEachParameterBlock(gradient, parameter, shadow, rounding, size: CPUBackend.blockSize) {
      range, gradient, parameter in
      kernels.adamW(
        step, gradient: gradient, parameter: parameter, moment1: first + range.lowerBound,
        moment2: second + range.lowerBound, count: range.count)
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
        first.read(range, into: wide1, kernels)
        second.read(range, into: wide2, kernels)
        kernels.adamW(
          step, gradient: gradient, parameter: parameter, moment1: wide1, moment2: wide2, count: range.count)
        first.write(range, from: wide1, kernels)
        second.write(range, from: wide2, kernels)
      }
    }
  }

  /// Calls `update` for consecutive ranges of at most `size` parameters, in parallel, with their gradients and their
  /// values in Float32, and stores what it makes of the values. Numbers that are Float32 are lent where they lie.
  @inline(__always)
  private func forEachParameterBlock(
    _ gradient: Tensor, _ parameter: Tensor, _ shadow: Tensor?, _ rounding: StochasticRounding?, size: Int,
    _ update: (_ range: Range<Int>, _ gradient: Floats, _ parameter: Floats) -> Void
  ) {
    parameter.requireParameter(shadow, rounding)
    let gradients = gradient.dtype == .float32 ? gradient.host("adamW") : nil
    let parameters = parameter.dtype == .float32 ? parameter.host("adamW") : nil
    forEachBlock(parameter.count, of: size) { range, scratch in
      let (start, count) = (range.lowerBound, range.count)
      let values = parameters.map { $0 + start } ?? scratch + CPUBackend.blockSize
      if gradients == nil { read(gradient, from: start, count, into: scratch) }
      if parameters == nil { read(parameter, from: start, count, into: values) }
      update(range, gradients.map { $0 + start } ?? scratch, values)
      if let rounding {
        kernels.roundAtRandom(
          values, rounding.counter(of: start), count: count,
          into: UnsafeMutablePointer<UInt16>(address: parameter.address) + start)
      }
      if let shadow { write(values, count, into: shadow, from: start) }
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

extension AdamWStep {
  /// PyTorch computes these in Float64 and rounds each once. `nil` for a step that is skipped.
  fileprivate init?(_ constants: AdamWConstants, _ rates: Tensor, _ clipping: Tensor, _ name: StaticString) {
    let clipping = clipping.host(name)[0]
    guard !clipping.isNaN else { return nil }
    let rates = rates.host(name)
    let (learningRate, correction1, correction2) = (Double(rates[0]), Double(rates[1]), Double(rates[2]))
    self.init(
      clipping: clipping, keep: Float(1 - learningRate * constants.weightDecay),
      newShare1: Float(1 - constants.beta1), oldShare2: Float(constants.beta2),
      newShare2: Float(1 - constants.beta2), size: Float(learningRate / correction1),
      root2: Float(correction2.squareRoot()), epsilon: Float(constants.epsilon))
  }
}

/// Numbers in 8 bits in the host's memory.
private struct QuantizedNumbers {
  private let codes: UnsafeMutablePointer<UInt8>
  private let scales: Floats
  private let codebook: QuantizationCodebook

  init(_ codes: Tensor, _ scales: Tensor, _ map: QuantizationMap) {
    self.codes = UnsafeMutablePointer(address: codes.address)
    self.scales = scales.host("adamWQuantized")
    codebook = map.codebook
  }

  /// Widens the numbers of one block.
  func read(_ range: Range<Int>, into numbers: Floats, _ kernels: any KernelSet.Type) {
    kernels.dequantize(
      codes + range.lowerBound, scale: scales[range.lowerBound / QuantizedBlock.size], codebook, count: range.count,
      into: numbers)
  }

  /// Gives one block its scale and its codes.
  func write(_ range: Range<Int>, from numbers: Floats, _ kernels: any KernelSet.Type) {
    let scale = kernels.largestMagnitude(numbers, count: range.count)
    scales[range.lowerBound / QuantizedBlock.size] = scale
    kernels.quantize(
      numbers, factor: QuantizedBlock.inverse(ofScale: scale), codebook, count: range.count,
      into: codes + range.lowerBound)
  }
}

extension QuantizationMap {
  /// The tables of the two maps, which live as long as the process.
  fileprivate var codebook: QuantizationCodebook {
    self == .signed ? QuantizationTables.signed.codebook : QuantizationTables.unsigned.codebook
  }
}

/// The tables of a codebook. They are never freed and never change, hence the unchecked conformance.
private struct QuantizationTables: @unchecked Sendable {
  let codebook: QuantizationCodebook

  static let signed = QuantizationTables(.signed)
  static let unsigned = QuantizationTables(.unsigned)

  private init(_ map: QuantizationMap) {
    let values = Floats.allocate(capacity: 256)
    let upperEnds = Floats.allocate(capacity: 256)
    let firstCodes = UnsafeMutablePointer<UInt8>.allocate(capacity: 65_536)
    for code in 0..<256 {
      values[code] = map.values[code]
      upperEnds[code] = code < map.midpoints.count ? map.midpoints[code] : .infinity
    }
    for upperHalf in 0..<65_536 {
      // Of all numbers with these upper bits the least is the one of the smallest magnitude, or of the largest below zero.
      let bits = UInt32(upperHalf) << 16
      let ends = [Float(bitPattern: bits), Float(bitPattern: bits | 0xffff)].map { map.code(of: $0) }
      let (least, largest) = upperHalf < 0x8000 ? (ends[0], ends[1]) : (ends[1], ends[0])
      require(Int(largest) <= Int(least) + 1, "QuantizationMap: numbers that agree in 16 bits have more than two codes")
      firstCodes[upperHalf] = least
    }
    codebook = QuantizationCodebook(values: values, upperEnds: upperEnds, firstCodes: firstCodes)
  }
}

extension StochasticRounding {
  /// Where the random bits of parameter `start`, a multiple of 8, are found.
  fileprivate func counter(of start: Int) -> PhiloxCounter {
    PhiloxCounter(
      block: UInt64((first + start) / 8), draw: UInt32(bitPattern: draw.hostCount("adamW").pointee),
      stream: stream.stream, seed: stream.seed)
  }
}
