extension Variable {
  /// The same numbers in another floating-point type; the variable itself where it already has that type.
  public func cast(to dtype: DType) -> Variable {
    guard dtype != value.dtype else { return self }
    return .operation(value.cast(to: dtype), (self, { g, dx in g.backend.cast(g, into: dx) }))
  }

  /// The same elements under another shape of the same count.
  public func reshaped(_ shape: Shape) -> Variable { .identity(value.reshaped(shape), of: self) }

  /// Joins two variables along one axis; all other extents must agree.
  public func concatenated(with other: Variable, axis: Int) -> Variable {
    let out = Tensor.concatenated([value, other.value], axis: axis)
    let axis = shape.axis(axis)
    let seam = shape[axis]
    return .operation(
      out,
      (self, { g, dx in g.backend.copyBlocks(g, g.section(axis, 0..<seam), into: dx) }),
      (other, { g, dy in g.backend.copyBlocks(g, g.section(axis, seam..<g.shape[axis]), into: dy) }))
  }

  /// Enlarges pictures [batch, height, width, channels] by repeating pixels.
  public func upsampledNearest(to size: (height: Int, width: Int)) -> Variable {
    .operation(
      value.upsampledNearest(to: size),
      (self, { g, dx in g.backend.upsampleNearestBackward(g, into: dx) }))
  }

  /// Rows of this table [rows, width] picked by Int32 `indices`: [indices..., width].
  public func gathered(_ indices: Tensor) -> Variable {
    .operation(
      value.gathered(indices),
      (self, { g, dtable in g.backend.gatherBackward(indices, g, into: dtable) }))
  }
}
