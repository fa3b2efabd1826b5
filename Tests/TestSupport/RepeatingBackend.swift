// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
// The protocol documents what its requirements do; here the CPU does it.

import Synchronization
import Tensor

/// A CPU that holds recorded work to what a device that repeats calls without their code could do.
///
/// Each replay asks for the work and fails unless it makes the very same calls as the first time: with the same numbers
/// by value, on the same memory but for what it takes and gives back on the way. Transfers and waiting are refused
/// meanwhile, and so is memory that the work does not give back. Downloads are never ready before they are asked for, so
/// whoever need not wait goes on.
public final class RepeatingBackend: Backend {
  private struct Trace {
    var calls: [String] = []
    /// The numbers of the blocks that the work has taken, by address.
    var blocks: [UInt: Int] = [:]
    var blockCount = 0
  }

  private let cpu = CPUBackend(threads: 3)
  private let trace = Mutex<Trace?>(nil)
  private let replays = Atomic(0)

  public init() {}

  /// How many times recorded work has been replayed.
  public var replayCount: Int { replays.load(ordering: .relaxed) }

  public let name = "repeating"
  public var convolutionLayout: ConvolutionLayout { cpu.convolutionLayout }
  public var computeTypes: Set<DType> { cpu.computeTypes }
  public var memory: MemoryStatistics { cpu.memory }

  public func allocate(byteCount: Int) -> MemoryBlock {
    let block = cpu.allocate(byteCount: byteCount)
    trace.withLock { trace in
      guard let number = trace?.blockCount else { return }
      trace?.blocks[block.address] = number
      trace?.blockCount = number + 1
    }
    return block
  }

  public func release(_ block: MemoryBlock) {
    cpu.release(block)
    trace.withLock { trace in
      guard trace != nil, trace?.blocks.removeValue(forKey: block.address) == nil else { return }
      fatalError("recorded work: gives back memory that was there before it")
    }
  }

  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) {
    requireNoTrace("uploads \(out.shape)")
    cpu.upload(bytes, into: out)
  }

  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) {
    requireNoTrace("downloads \(x.shape)")
    cpu.download(x, into: bytes)
  }

  public func beginDownload(_ x: Tensor) -> any PendingDownload {
    requireNoTrace("downloads \(x.shape)")
    return LateDownload(cpu.beginDownload(x))
  }

  public func synchronize() { requireNoTrace("waits") }

  public func record(_ work: @escaping () -> Void) -> any RecordedWork {
    requireNoTrace("records")
    return CheckedWork { [unowned self] expected in
      let calls = follow(work)
      replays.add(1, ordering: .relaxed)
      guard let expected else { return calls }
      for (index, (call, expected)) in zip(calls, expected).enumerated() where call != expected {
        fatalError("recorded work: call \(index) is \(call) and was \(expected)")
      }
      if calls.count != expected.count {
        fatalError("recorded work: \(calls.count) calls instead of \(expected.count)")
      }
      return calls
    }
  }

  /// Does the work and tells its calls.
  private func follow(_ work: () -> Void) -> [String] {
    requireNoTrace("replays")
    trace.withLock { $0 = Trace() }
    work()
    return trace.withLock { trace in
      defer { trace = nil }
      if trace?.blocks.isEmpty == false { fatalError("recorded work: keeps memory that it took") }
      return trace?.calls ?? []
    }
  }

  private func requireNoTrace(_ what: String) {
    trace.withLock { if $0 != nil { fatalError("recorded work: \(what)") } }
  }

  /// Carries a call out and, inside recorded work, takes it down.
  private func call(_ name: String, _ operands: (any Operand)?..., compute: () -> Void) {
    trace.withLock { trace in
      guard let blocks = trace?.blocks else { return }
      let places = operands.map { $0?.place(in: blocks) ?? "none" }
      trace?.calls.append("\(name) \(places.joined(separator: ", "))")
    }
    compute()
  }
}

/// Numbers that arrive when they are asked for.
private final class LateDownload: PendingDownload {
  private let download: any PendingDownload
  private(set) var isReady = false

  init(_ download: any PendingDownload) {
    self.download = download
  }

  func floats() -> [Float] {
    isReady = true
    return download.floats()
  }
}

/// Work that tells its calls, held against those of the first time.
private final class CheckedWork: RecordedWork {
  private let work: (_ expected: [String]?) -> [String]
  private var calls: [String]?

  init(_ work: @escaping (_ expected: [String]?) -> [String]) {
    self.work = work
  }

  func replay() { calls = work(calls) }
}

private protocol Operand {
  /// Shape, type and memory: an address, or a number if the work itself has taken the block.
  func place(in blocks: [UInt: Int]) -> String
}

extension Tensor: Operand {
  fileprivate func place(in blocks: [UInt: Int]) -> String {
    let block = storage.block.address
    return "\(shape) \(dtype) \(blocks[block].map { "block \($0)" } ?? "at \(block)")+\(byteOffset)"
  }
}

extension Destination: Operand {
  fileprivate func place(in blocks: [UInt: Int]) -> String { "\(write) \(tensor.place(in: blocks))" }
}

extension RepeatingBackend {
  public func fill(_ value: Float, into out: Tensor) {
    call("fill \(value)", out) { cpu.fill(value, into: out) }
  }
  public func cast(_ x: Tensor, into out: Destination) {
    call("cast", x, out) { cpu.cast(x, into: out) }
  }
  public func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination) {
    call("unary \(operation)", x, out) { cpu.unary(operation, x, into: out) }
  }
  public func binary(
    _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination
  ) {
    call("binary \(operation) \(broadcast)", a, b, out) { cpu.binary(operation, a, b, broadcast, into: out) }
  }
  public func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination) {
    call("affine \(scale) \(shift)", x, out) { cpu.affine(x, scale: scale, shift: shift, into: out) }
  }
  public func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination) {
    call("transpose \(permutation)", x, out) { cpu.transpose(x, permutation, into: out) }
  }
  public func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination) {
    call("copyBlocks \(copy)", x, out) { cpu.copyBlocks(x, copy, into: out) }
  }
  public func upsampleNearest(_ x: Tensor, into out: Tensor) {
    call("upsampleNearest", x, out) { cpu.upsampleNearest(x, into: out) }
  }
  public func upsampleNearestBackward(_ gradient: Tensor, into dx: Destination) {
    call("upsampleNearestBackward", gradient, dx) { cpu.upsampleNearestBackward(gradient, into: dx) }
  }
  public func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination) {
    call("sum \(outer) \(count) \(inner) \(scale)", x, out) {
      cpu.sum(x, outer: outer, count: count, inner: inner, scale: scale, into: out)
    }
  }
  public func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination) {
    call("meanSquaredError", a, b, out) { cpu.meanSquaredError(a, b, into: out) }
  }
  public func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination) {
    call("meanSquaredErrorBackward", a, b, gradient, da) { cpu.meanSquaredErrorBackward(a, b, gradient, into: da) }
  }
  public func matrixProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor?, into out: Destination) {
    call("matrixProduct \(product)", a, b, bias, out) { cpu.matrixProduct(a, b, product, bias: bias, into: out) }
  }
  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {
    call("convolution \(spec)", x, weight, bias, out) { cpu.convolution(x, weight, bias: bias, spec, into: out) }
  }
  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {
    call("convolutionBackwardInput \(spec)", gradient, weight, dx) {
      cpu.convolutionBackwardInput(gradient, weight, spec, into: dx)
    }
  }
  public func convolutionBackwardWeight(_ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination) {
    call("convolutionBackwardWeight \(spec)", x, gradient, dw) {
      cpu.convolutionBackwardWeight(x, gradient, spec, into: dw)
    }
  }
  public func groupNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, _ spec: GroupNormalization, into out: Tensor, statistics: Tensor
  ) {
    call("groupNorm \(spec)", x, gamma, beta, out, statistics) {
      cpu.groupNorm(x, gamma: gamma, beta: beta, spec, into: out, statistics: statistics)
    }
  }
  public func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    call("groupNormBackward \(spec)", x, gradient, gamma, beta, statistics, dx, dgamma, dbeta) {
      cpu.groupNormBackward(
        x, gradient, gamma: gamma, beta: beta, statistics: statistics, spec, dx: dx, dgamma: dgamma, dbeta: dbeta)
    }
  }
  public func layerNorm(_ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor)
  {
    call("layerNorm \(epsilon)", x, gamma, beta, out, statistics) {
      cpu.layerNorm(x, gamma: gamma, beta: beta, epsilon: epsilon, into: out, statistics: statistics)
    }
  }
  public func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor, dx: Destination?, dgamma: Destination?,
    dbeta: Destination?
  ) {
    call("layerNormBackward", x, gradient, gamma, statistics, dx, dgamma, dbeta) {
      cpu.layerNormBackward(x, gradient, gamma: gamma, statistics: statistics, dx: dx, dgamma: dgamma, dbeta: dbeta)
    }
  }
  public func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor) {
    call("attention \(spec)", q, k, v, out, logSumExp) { cpu.attention(q, k, v, spec, into: out, logSumExp: logSumExp) }
  }
  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    call("attentionBackward \(spec)", q, k, v, out, logSumExp, gradient, dq, dk, dv) {
      cpu.attentionBackward(q, k, v, out: out, logSumExp: logSumExp, gradient, spec, dq: dq, dk: dk, dv: dv)
    }
  }
  public func geglu(_ x: Tensor, into out: Tensor) {
    call("geglu", x, out) { cpu.geglu(x, into: out) }
  }
  public func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination) {
    call("gegluBackward", x, gradient, dx) { cpu.gegluBackward(x, gradient, into: dx) }
  }
  public func gather(_ table: Tensor, _ indices: Tensor, into out: Tensor) {
    call("gather", table, indices, out) { cpu.gather(table, indices, into: out) }
  }
  public func gatherBackward(_ indices: Tensor, _ gradient: Tensor, into dtable: Destination) {
    call("gatherBackward", indices, gradient, dtable) { cpu.gatherBackward(indices, gradient, into: dtable) }
  }
  public func uniform(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    call("uniform \(stream)", draw, out) { cpu.uniform(stream, draw: draw, into: out) }
  }
  public func normal(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    call("normal \(stream)", draw, out) { cpu.normal(stream, draw: draw, into: out) }
  }
  public func sumOfSquares(_ x: Tensor, into out: Destination) {
    call("sumOfSquares", x, out) { cpu.sumOfSquares(x, into: out) }
  }
  public func clippingFactor(_ sumOfSquares: Tensor, scale: Tensor, maximumNorm: Float, into out: Tensor) {
    call("clippingFactor \(maximumNorm)", sumOfSquares, scale, out) {
      cpu.clippingFactor(sumOfSquares, scale: scale, maximumNorm: maximumNorm, into: out)
    }
  }
  public func countStep(_ constants: AdamWConstants, clipping: Tensor, steps: Tensor, rates: Tensor) {
    call("countStep \(constants)", clipping, steps, rates) {
      cpu.countStep(constants, clipping: clipping, steps: steps, rates: rates)
    }
  }
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor, moment1: Tensor,
    moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    let name = "adamW \(constants) \(rounding.map { "\($0.stream) from \($0.first)" } ?? "")"
    call(name, rates, clipping, gradient, parameter, moment1, moment2, shadow, rounding?.draw) {
      cpu.adamW(
        constants, rates: rates, clipping: clipping, gradient: gradient, parameter: parameter, moment1: moment1,
        moment2: moment2, shadow: shadow, rounding: rounding)
    }
  }
  public func adamWQuantized(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moments: QuantizedMoments, shadow: Tensor?, rounding: StochasticRounding?
  ) {
    let name = "adamWQuantized \(constants) \(rounding.map { "\($0.stream) from \($0.first)" } ?? "")"
    call(
      name, rates, clipping, gradient, parameter, moments.codes1, moments.scales1, moments.codes2, moments.scales2,
      shadow, rounding?.draw
    ) {
      cpu.adamWQuantized(
        constants, rates: rates, clipping: clipping, gradient: gradient, parameter: parameter, moments: moments,
        shadow: shadow, rounding: rounding)
    }
  }
  public func updateScale(_ scaling: LossScaling, clipping: Tensor, scale: Tensor, goodSteps: Tensor) {
    call("updateScale \(scaling)", clipping, scale, goodSteps) {
      cpu.updateScale(scaling, clipping: clipping, scale: scale, goodSteps: goodSteps)
    }
  }
}
