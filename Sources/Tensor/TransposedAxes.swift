/// The axes of a permuted tensor after neighbours that stay together have been merged: a number of planes, each
/// [height, width] of the output.
struct TransposedAxes {
  /// The number of planes.
  let planes: Int
  /// The last axis of the output but one.
  let height: Int
  /// The distance of its elements in the input.
  let heightStride: Int
  /// The last axis of the output.
  let width: Int
  /// The distance of its elements in the input.
  let widthStride: Int
  /// The axes of the planes, in the order of the output.
  let outer: [(extent: Int, stride: Int)]

  /// The axes of a tensor of the given shape, reordered.
  init(_ shape: Shape, _ permutation: [Int]) {
    var strides = [Int](repeating: 1, count: shape.rank)
    for axis in (0..<max(shape.rank - 1, 0)).reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    var axes: [(extent: Int, stride: Int)] = []
    for axis in permutation where shape[axis] != 1 {
      if let last = axes.last, last.stride == strides[axis] * shape[axis] {
        axes[axes.count - 1] = (last.extent * shape[axis], strides[axis])
      } else {
        axes.append((shape[axis], strides[axis]))
      }
    }
    while axes.count < 2 { axes.insert((1, 0), at: 0) }
    (width, widthStride) = axes.removeLast()
    (height, heightStride) = axes.removeLast()
    planes = axes.reduce(1) { $0 * $1.extent }
    outer = axes
  }

  /// Where a plane starts in the input, in elements.
  func sourceOffset(ofPlane plane: Int) -> Int {
    var (rest, offset) = (plane, 0)
    for axis in outer.reversed() {
      offset += rest % axis.extent * axis.stride
      rest /= axis.extent
    }
    return offset
  }
}
