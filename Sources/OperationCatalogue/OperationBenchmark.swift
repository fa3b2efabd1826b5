import Tensor

/// How long a device takes for a case of the catalogue.
public struct OperationBenchmark: Sendable, Encodable {
  /// The primitive and what is special about the case.
  public let name: String
  /// The time of one call, the median over several rounds.
  public let seconds: Double
  /// The bytes that must be read and written at least.
  public let bytes: Int
  /// The arithmetic, as `OperationCost` counts it.
  public let flops: Int

  /// Bytes in a second. Operands that fit into a cache are there from the call before, so that the rate may exceed that
  /// of the memory.
  public var bytesPerSecond: Double { Double(bytes) / seconds }
  /// Operations in a second.
  public var flopsPerSecond: Double { Double(flops) / seconds }

  /// How long the calls of one round take together, about.
  private static let roundSeconds = 0.02
  private static let rounds = 5

  /// Measures a case.
  ///
  /// The calls of a round are recorded, so that a device which is faster than its host is never waiting for it.
  public init(_ operation: OperationCase, on device: any Backend) {
    let layout = device.convolutionLayout
    let operands = operation.operands.enumerated().map { index, operand in
      let shape = operand.isConvolutionWeight ? Shape(layout.permutation.map { operand.shape[$0] }) : operand.shape
      return operand.numbers(shape, stream: UInt32(index), on: device)
    }
    let outputs = operation.outputs.map { output in
      if case .update(let operand) = output.mode { return Destination.overwrite(operands[operand]) }
      let shape = output.isConvolutionWeight ? Shape(layout.permutation.map { output.shape[$0] }) : output.shape
      return Destination.overwrite(Tensor(empty: shape, dtype: output.dtype, on: device))
    }
    // Whatever a device prepares for its first call is not counted.
    operation.run(device, operands, outputs)
    let single = device.seconds(1) { operation.run(device, operands, outputs) }[0]
    let calls = max(1, min(50, Int(Self.roundSeconds / max(single, 1e-9))))
    let round = device.record {
      for _ in 0..<calls { operation.run(device, operands, outputs) }
    }
    round.replay()
    let times = device.seconds(Self.rounds, round.replay).sorted()
    name = operation.description
    seconds = times[Self.rounds / 2] / Double(calls)
    bytes = operation.bytes
    flops = operation.flops
  }
}

extension Operand {
  /// Numbers to compute with, made on the device. They are random, because a processor may run faster on others.
  fileprivate func numbers(_ shape: Shape, stream: UInt32, on device: any Backend) -> Tensor {
    func random(_ make: (Shape, RandomStream, Tensor) -> Tensor) -> Tensor {
      make(shape, RandomStream(seed: 0, stream: stream), Tensor([Int32(0)], [], on: device))
    }
    switch distribution {
    case .normal(let mean, let deviation):
      return random(Tensor.normal).affine(scale: Float(deviation), shift: Float(mean)).cast(to: dtype)
    case .uniform(let range):
      let width = range.upperBound - range.lowerBound
      return random(Tensor.uniform).affine(scale: Float(width), shift: Float(range.lowerBound)).cast(to: dtype)
    // Such as the statistics of a norm: what comes out is no result, but takes as long to compute.
    case .computed: return random(Tensor.uniform).affine(scale: 1, shift: 0.5).cast(to: dtype)
    case .integers, .list: return Tensor(numbers: values(seed: 0, after: []).numbers, shape, dtype, on: device)
    }
  }
}
