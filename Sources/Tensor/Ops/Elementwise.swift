extension Tensor {
  /// Applies a function to every element.
  public func unary(_ operation: UnaryOperation) -> Tensor {
    requireFloatingPoint(operation.rawValue)
    let out = emptyLike()
    backend.unary(operation, self, into: .overwrite(out))
    return out
  }

  /// Applies a function to pairs of elements; shapes are aligned by NumPy's broadcasting rule.
  public func binary(_ operation: BinaryOperation, _ other: Tensor) -> Tensor {
    requireFloatingPoint(operation.rawValue)
    requireCompanion(other, operation.rawValue)
    let broadcast = Broadcast(shape, other.shape, operation: operation.rawValue)
    let out = emptyLike(broadcast.shape)
    backend.binary(operation, self, other, broadcast, into: .overwrite(out))
    return out
  }

  /// `scale` · x + `shift`.
  public func affine(scale: Float, shift: Float = 0) -> Tensor {
    requireFloatingPoint("affine")
    let out = emptyLike()
    backend.affine(self, scale: scale, shift: shift, into: .overwrite(out))
    return out
  }

  /// Every element moved to the nearest number of `range`; NaN stays NaN.
  public func clamped(to range: ClosedRange<Float>) -> Tensor {
    func bound(_ value: Float) -> Tensor {
      let bound = emptyLike([1])
      backend.fill(value, into: bound)
      return bound
    }
    return binary(.maximum, bound(range.lowerBound)).binary(.minimum, bound(range.upperBound))
  }

  /// The same numbers as another type; the tensor itself where it already has that type.
  public func cast(to dtype: DType) -> Tensor {
    guard dtype != self.dtype else { return self }
    let out = emptyLike(dtype: dtype)
    backend.cast(self, into: .overwrite(out))
    return out
  }

  /// The same numbers in memory of their own.
  public func copied() -> Tensor {
    let out = emptyLike()
    out.assign(self)
    return out
  }

  /// Replaces the elements by those of a tensor of the same shape and type, in place.
  public func assign(_ other: Tensor) {
    requireCompanion(other, "assign")
    require(other.shape == shape, "assign: \(other.shape) does not match \(shape)")
    backend.cast(other, into: .overwrite(self))
  }
}

extension Tensor {
  /// Elementwise sum with broadcasting.
  public static func + (a: Tensor, b: Tensor) -> Tensor { a.binary(.add, b) }
  /// Elementwise difference with broadcasting.
  public static func - (a: Tensor, b: Tensor) -> Tensor { a.binary(.subtract, b) }
  /// Elementwise product with broadcasting.
  public static func * (a: Tensor, b: Tensor) -> Tensor { a.binary(.multiply, b) }
  /// Elementwise quotient with broadcasting.
  public static func / (a: Tensor, b: Tensor) -> Tensor { a.binary(.divide, b) }
  /// Every element times a number.
  public static func * (a: Tensor, b: Float) -> Tensor { a.affine(scale: b) }
  /// Every element times a number.
  public static func * (a: Float, b: Tensor) -> Tensor { b.affine(scale: a) }
}

// MARK: - Checks shared by all operations

extension Tensor {
  func requireFloatingPoint(_ operation: String) {
    require(dtype.isFloatingPoint, "\(operation): needs a floating-point tensor, not \(dtype) of shape \(shape)")
  }

  func requireCompanion(_ other: Tensor, _ operation: String) {
    require(
      dtype == other.dtype, "\(operation): \(dtype) of shape \(shape) does not go with \(other.dtype) of \(other.shape)"
    )
    require(backend === other.backend, "\(operation): operands live on \(backend.name) and \(other.backend.name)")
  }

  func requireRank(_ rank: Int, _ operation: String) {
    require(shape.rank == rank, "\(operation): needs \(rank) axes, not \(shape)")
  }
}
