/// How two operands of different shapes are read side by side: at most four collapsed axes with element strides,
/// 0 where an operand is repeated. Passed to kernels by value.
public struct Broadcast: Sendable, Hashable {
  /// The shape of the result, by NumPy's rule.
  public let shape: Shape
  /// The extents of the result after neighbouring axes have been merged; outermost first, padded with leading ones.
  public let extents: SIMD4<Int>
  /// The element strides of the first operand along `extents`.
  public let firstStrides: SIMD4<Int>
  /// The element strides of the second operand along `extents`.
  public let secondStrides: SIMD4<Int>

  /// Whether both operands have the result's shape, so that one flat loop does.
  public var isFlat: Bool {
    extents[0] == 1 && extents[1] == 1 && extents[2] == 1 && firstStrides[3] == 1 && secondStrides[3] == 1
  }

  /// Aligns the axes of two shapes from the last backwards; each pair must be equal or contain a 1.
  public init(_ first: Shape, _ second: Shape, operation: String) {
    if first == second {
      shape = first
      extents = SIMD4(1, 1, 1, first.count)
      (firstStrides, secondStrides) = (SIMD4(0, 0, 0, 1), SIMD4(0, 0, 0, 1))
      return
    }
    let rank = max(first.rank, second.rank)
    let a = Broadcast.padded(first, to: rank)
    let b = Broadcast.padded(second, to: rank)
    require(
      zip(a, b).allSatisfy { $0 == $1 || $0 == 1 || $1 == 1 }, "\(operation): \(first) does not match \(second)")
    shape = Shape(zip(a, b).map { $0 == 1 ? $1 : $0 })

    var merged: [(extent: Int, first: Int, second: Int)] = []
    var aStride = 1
    var bStride = 1
    for axis in (0..<rank).reversed() where shape[axis] != 1 {
      let strides = (a[axis] == 1 ? 0 : aStride, b[axis] == 1 ? 0 : bStride)
      if let last = merged.last, strides.0 == last.first * last.extent, strides.1 == last.second * last.extent {
        merged[merged.count - 1].extent *= shape[axis]
      } else {
        merged.append((shape[axis], strides.0, strides.1))
      }
      aStride *= a[axis]
      bStride *= b[axis]
    }
    require(merged.count <= 4, "\(operation): \(first) and \(second) alternate too often to be broadcast")
    if merged.isEmpty { merged.append((1, 1, 1)) }
    var (extents, firstStrides, secondStrides) = (SIMD4(repeating: 1), SIMD4<Int>.zero, SIMD4<Int>.zero)
    for (index, axis) in merged.enumerated() {
      extents[3 - index] = axis.extent
      firstStrides[3 - index] = axis.first
      secondStrides[3 - index] = axis.second
    }
    self.extents = extents
    self.firstStrides = firstStrides
    self.secondStrides = secondStrides
  }

  private static func padded(_ shape: Shape, to rank: Int) -> [Int] {
    Array(repeating: 1, count: rank - shape.rank) + shape.dimensions
  }
}
