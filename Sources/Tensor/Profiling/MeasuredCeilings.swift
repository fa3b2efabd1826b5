/// A device that knows of more arithmetic than a matrix product shows.
public protocol RatedDevice: AnyObject {
  /// Multiplications and additions in a second at best, measured now.
  func flopsPerSecondAtMost() -> Double
  /// What was measured, in a few words.
  var ratedArithmetic: String { get }
}

/// The rates that nothing on a device can exceed by much, unless its operands lie in a cache: of a copy that is larger
/// than the caches, and of arithmetic.
///
/// Where a device knows no better, the arithmetic is that of a large matrix product.
public struct MeasuredCeilings: Sendable {
  /// Bytes read and written in a second.
  public let bytesPerSecond: Double
  /// Multiplications and additions in a second.
  public let flopsPerSecond: Double
  /// What the arithmetic was, in a few words.
  public let arithmetic: String

  /// Measures a device.
  ///
  /// - Parameter dtype: the type of the matrices.
  public init(_ device: any Backend, _ dtype: DType) {
    let count = 1 << 26
    let source = MeasuredCeilings.numbers(count, .float32, on: device)
    let target = source.emptyLike()
    let copying = MeasuredCeilings.fastest(device) { device.cast(source, into: .overwrite(target)) }
    bytesPerSecond = Double(source.byteCount + target.byteCount) / copying
    if let rated = device as? any RatedDevice {
      flopsPerSecond = rated.flopsPerSecondAtMost()
      arithmetic = rated.ratedArithmetic
    } else {
      flopsPerSecond = MeasuredCeilings.matrixProductRate(device, dtype)
      arithmetic = "a large matrix product"
    }
  }

  private static func matrixProductRate(_ device: any Backend, _ dtype: DType) -> Double {
    // A fast device reaches its rate only with large matrices, which would take a slow one minutes.
    var side = 512
    var multiplying = 0.0
    var best = 0.0
    while side < 8192 && multiplying < 0.05 {
      side *= 2
      let product = MatrixProduct(m: side, n: side, k: side, transposeB: true)
      let a = numbers(side * side, dtype, on: device)
      let b = numbers(side * side, dtype, on: device)
      let out = a.emptyLike()
      multiplying = fastest(device) { device.matrixProduct(a, b, product, bias: nil, into: .overwrite(out)) }
      best = max(best, Double(OperationCost.matrixProduct(product)) / multiplying)
    }
    return best
  }

  private static func fastest(_ device: any Backend, _ work: () -> Void) -> Double {
    work()
    return device.seconds(5, work).min() ?? 0
  }

  /// Random numbers, because a processor may run faster on zeros.
  private static func numbers(_ count: Int, _ dtype: DType, on device: any Backend) -> Tensor {
    let draw = Tensor([Int32(0)], [], on: device)
    return Tensor.normal([count], RandomStream(seed: 0, stream: 0), draw: draw).cast(to: dtype)
  }
}
