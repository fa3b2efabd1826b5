extension Tensor {
  /// Reorders the axes: axis i of the result is axis `permutation[i]` of this tensor.
  public func transposed(_ permutation: [Int]) -> Tensor {
    require(
      permutation.sorted() == Array(0..<shape.rank), "transposed: \(permutation) does not permute the axes of \(shape)")
    let out = emptyLike(Shape(permutation.map { shape[$0] }))
    backend.transpose(self, permutation, into: .overwrite(out))
    return out
  }

  /// Joins tensors along one axis; all other extents must agree.
  public static func concatenated(_ parts: [Tensor], axis: Int) -> Tensor {
    let first = parts[0]
    let axis = first.shape.axis(axis)
    for part in parts.dropFirst() {
      first.requireCompanion(part, "concatenated")
      require(
        part.shape.rank == first.shape.rank
          && part.shape.replacing(axis, with: 1) == first.shape.replacing(axis, with: 1),
        "concatenated: \(part.shape) does not continue \(first.shape) along axis \(axis)")
    }
    let total = parts.reduce(0) { $0 + $1.shape[axis] }
    let out = first.emptyLike(first.shape.replacing(axis, with: total))
    var start = 0
    for part in parts {
      first.backend.copyBlocks(
        part, out.section(axis, start..<start + part.shape[axis]).reversed, into: .overwrite(out))
      start += part.shape[axis]
    }
    return out
  }

  /// The given range of one axis, copied.
  public func sliced(_ axis: Int, _ range: Range<Int>) -> Tensor {
    let axis = shape.axis(axis)
    require(
      range.lowerBound >= 0 && range.upperBound <= shape[axis], "sliced: \(range) is outside axis \(axis) of \(shape)")
    let out = emptyLike(shape.replacing(axis, with: range.count))
    backend.copyBlocks(self, section(axis, range), into: .overwrite(out))
    return out
  }

  /// How a range of one axis is copied out of this tensor.
  package func section(_ axis: Int, _ range: Range<Int>) -> BlockCopy {
    let inner = shape.dimensions[(axis + 1)...].reduce(1, *)
    let outer = shape.dimensions[..<axis].reduce(1, *)
    let count = range.count * inner
    return BlockCopy(
      outer: outer, count: count, source: (range.lowerBound * inner, shape[axis] * inner), target: (0, count))
  }

  /// Enlarges pictures by repeating pixels.
  ///
  /// - Parameter size: the new height and width. The tensor is [batch, height, width, channels].
  public func upsampledNearest(to size: (height: Int, width: Int)) -> Tensor {
    requireRank(4, "upsampledNearest")
    require(
      size.height >= shape[1] && size.width >= shape[2],
      "upsampledNearest: \(size.height)x\(size.width) is smaller than \(shape)")
    let out = emptyLike([shape[0], size.height, size.width, shape[3]])
    backend.upsampleNearest(self, into: out)
    return out
  }

  /// Rows of a table [rows, width] picked by `indices` (Int32, any shape); the result is [indices..., width].
  public func gathered(_ indices: Tensor) -> Tensor {
    requireRank(2, "gathered")
    require(indices.dtype == .int32, "gathered: indices are \(indices.dtype), not int32")
    require(backend === indices.backend, "gathered: operands live on \(backend.name) and \(indices.backend.name)")
    let out = emptyLike(Shape(indices.shape.dimensions + [shape[1]]))
    backend.gather(self, indices, into: out)
    return out
  }
}

extension BlockCopy {
  /// The copy that puts back what this one takes out.
  package var reversed: BlockCopy { BlockCopy(outer: outer, count: count, source: target, target: source) }
}
