// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
// The protocol documents what its requirements do; here they do nothing.

import Synchronization

/// A device without memory or arithmetic: it hands out addresses, counts bytes and computes nothing.
///
/// Building and stepping a full-size model on it takes milliseconds and yields its parameter names, shapes and peak
/// memory. Downloads give zeros.
public final class NullBackend: Backend {
  private struct Counters {
    var statistics = MemoryStatistics()
    var nextAddress: UInt = 4096
  }

  private let counters = Mutex(Counters())

  /// The name for people.
  public let name = "null"
  /// The order in which this device claims to want its convolution weights.
  public let convolutionLayout: ConvolutionLayout
  /// All floating-point types.
  public let computeTypes: Set<DType> = [.float32, .float16, .bfloat16]

  /// A device that claims to keep convolution weights in the given order.
  public init(convolutionLayout: ConvolutionLayout = .heightWidthInOut) {
    self.convolutionLayout = convolutionLayout
  }

  /// The bytes that a real device would hold.
  public var memory: MemoryStatistics { counters.withLock { $0.statistics } }

  /// Hands out the next free address.
  public func allocate(byteCount: Int) -> MemoryBlock {
    counters.withLock { counters in
      counters.statistics.live += byteCount
      counters.statistics.peak = max(counters.statistics.peak, counters.statistics.live)
      counters.statistics.reserved = counters.statistics.peak
      defer { counters.nextAddress += UInt(byteCount) }
      return MemoryBlock(address: counters.nextAddress, byteCount: byteCount)
    }
  }

  /// Counts the bytes as free.
  public func release(_ block: MemoryBlock) {
    counters.withLock { $0.statistics.live -= block.byteCount }
  }

  /// Zeros stand for whatever a real device would have computed.
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) {
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }
}

extension NullBackend {
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) {}
  public func beginDownload(_ x: Tensor) -> any PendingDownload { FinishedDownload(x) }
  public func synchronize() {}
  public func record(_ work: @escaping () -> Void) -> any RecordedWork { RepeatedWork(work) }
  public func fill(_ value: Float, into out: Tensor) {}
  public func cast(_ x: Tensor, into out: Destination) {}
  public func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination) {}
  public func binary(
    _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination
  ) {}
  public func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination) {}
  public func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination) {}
  public func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination) {}
  public func upsampleNearest(_ x: Tensor, into out: Tensor) {}
  public func upsampleNearestBackward(_ gradient: Tensor, into dx: Destination) {}
  public func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination) {}
  public func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination) {}
  public func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination) {}
  public func matrixProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor?, into out: Destination) {}
  public func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor) {}
  public func convolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination
  ) {}
  public func convolutionBackwardWeight(_ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination) {}
  public func groupNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, _ spec: GroupNormalization, into out: Tensor, statistics: Tensor
  ) {}
  public func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {}
  public func layerNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor
  ) {}
  public func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {}
  public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {}
  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {}
  public func geglu(_ x: Tensor, into out: Tensor) {}
  public func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination) {}
  public func gather(_ table: Tensor, _ indices: Tensor, into out: Tensor) {}
  public func gatherBackward(_ indices: Tensor, _ gradient: Tensor, into dtable: Destination) {}
  public func uniform(_ stream: RandomStream, draw: Tensor, into out: Tensor) {}
  public func normal(_ stream: RandomStream, draw: Tensor, into out: Tensor) {}
  public func sumOfSquares(_ x: Tensor, into out: Destination) {}
  public func clippingFactor(_ sumOfSquares: Tensor, scale: Tensor, maximumNorm: Float, into out: Tensor) {}
  public func countStep(_ constants: AdamWConstants, clipping: Tensor, steps: Tensor, rates: Tensor) {}
  public func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?
  ) {}
  public func adamWQuantized(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moments: QuantizedMoments, shadow: Tensor?, rounding: StochasticRounding?
  ) {}
  public func updateScale(_ scaling: LossScaling, clipping: Tensor, scale: Tensor, goodSteps: Tensor) {}
}
