extension Variable {
  /// Elementwise sum with broadcasting.
  public static func + (a: Variable, b: Variable) -> Variable {
    let value = a.value + b.value
    if a.shape == b.shape { return .identity(value, of: a, b) }
    let (aShape, bShape) = (a.shape, b.shape)
    return .operation(
      value,
      (a, { gradient, da in gradient.reduce(to: aShape, into: da) }),
      (b, { gradient, db in gradient.reduce(to: bShape, into: db) }))
  }

  /// Elementwise product with broadcasting.
  public static func * (a: Variable, b: Variable) -> Variable {
    let (x, y) = (a.value, b.value)
    return .operation(
      x * y,
      (a, { gradient, dx in (gradient * y).reduce(to: x.shape, into: dx) }),
      (b, { gradient, dy in (gradient * x).reduce(to: y.shape, into: dy) }))
  }

  /// Every element times a number.
  public static func * (a: Variable, scale: Float) -> Variable {
    .operation(
      a.value * scale,
      (a, { gradient, da in gradient.backend.affine(gradient, scale: scale, shift: 0, into: da) }))
  }

  /// x · sigmoid(x) (Elfwing et al., 2018).
  public func silu() -> Variable { activation(.silu, derivative: .siluBackward) }

  /// x · Φ(x), with the exact error function (Hendrycks and Gimpel, 2016).
  public func gelu() -> Variable { activation(.gelu, derivative: .geluBackward) }

  /// x · sigmoid(1.702 x), the activation of CLIP ViT-L.
  public func quickGELU() -> Variable { activation(.quickGELU, derivative: .quickGELUBackward) }

  private func activation(_ function: UnaryOperation, derivative: BinaryOperation) -> Variable {
    let x = value
    return .operation(
      x.unary(function),
      (
        self,
        { gradient, dx in
          let broadcast = Broadcast(x.shape, gradient.shape, operation: derivative.rawValue)
          x.backend.binary(derivative, x, gradient, broadcast, into: dx)
        }
      ))
  }

  /// The sum of all elements times `scale`, as a scalar.
  public func sum(scale: Float = 1) -> Variable {
    let shape = shape
    return .operation(
      value.sum(scale: scale),
      (
        self,
        { gradient, dx in
          let ones = Tensor(repeating: scale, shape, on: gradient.backend)
          let broadcast = Broadcast(shape, [], operation: "sum")
          gradient.backend.binary(.multiply, ones, gradient, broadcast, into: dx)
        }
      ))
  }
}

extension Tensor {
  /// Sums a gradient over the axes along which an operand of the given shape was repeated.
  fileprivate func reduce(to operand: Shape, into out: Destination) {
    let padded = Array(repeating: 1, count: shape.rank - operand.rank) + operand.dimensions
    guard let last = (0..<shape.rank).last(where: { padded[$0] != shape[$0] }) else {
      backend.cast(reshaped(out.tensor.shape), into: out)
      return
    }
    let first = (0...last).reversed().prefix { padded[$0] == 1 }.last ?? last
    let outer = shape.dimensions[..<first].reduce(1, *)
    let repeated = shape.dimensions[first...last].reduce(1, *)
    let inner = shape.dimensions[(last + 1)...].reduce(1, *)
    let reduced = Shape(
      shape.dimensions[..<first] + Array(repeating: 1, count: last - first + 1) + shape.dimensions[(last + 1)...])
    if reduced.count == operand.count {
      backend.sum(self, outer: outer, count: repeated, inner: inner, scale: 1, into: out)
    } else {
      let partial = emptyLike(reduced)
      backend.sum(self, outer: outer, count: repeated, inner: inner, scale: 1, into: .overwrite(partial))
      partial.reduce(to: operand, into: out)
    }
  }
}
