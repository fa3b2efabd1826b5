extension CPUBackend {
  /// Sets every element.
  public func fill(_ value: Float, into out: Tensor) {
    switch out.dtype {
    case .float32: fill(out, with: value)
    case .float16: fill(out, with: value.halfBits)
    case .bfloat16: fill(out, with: BFloat16(value).bits)
    case .int32: fill(out, with: Int32(value))
    case .uint8: fill(out, with: UInt8(value))
    }
  }

  @inline(__always)
  private func fill<Bits: BitwiseCopyable>(_ out: Tensor, with bits: Bits) {
    let target = UnsafeMutablePointer<Bits>(address: out.address)
    forEachChunk(out.count) { (target + $0.lowerBound).update(repeating: bits, count: $0.count) }
  }

  /// Applies a function to every element.
  public func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination) {
    switch operation {
    case .squareRoot: map("squareRoot", x, out) { VectorMath.squareRoot($0) }
    case .exp: map("exp", x, out) { VectorMath.exp($0) }
    case .silu: map("silu", x, out) { $0 * VectorMath.sigmoid($0) }
    case .gelu: map("gelu", x, out) { VectorMath.gelu($0) }
    case .quickGELU: map("quickGELU", x, out) { $0 * VectorMath.sigmoid(1.702 * $0) }
    }
  }

  /// `scale` · x + `shift`.
  public func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination) {
    map("affine", x, out) { $0 * scale + shift }
  }

  /// One loop for each function: the closure is inlined, so the choice of the function is made outside the loop.
  @inline(__always)
  private func map(_ operation: StaticString, _ x: Tensor, _ out: Destination, _ function: (Lanes) -> Lanes) {
    let (source, target, write) = (x.host(operation), out.host(operation), out.write)
    forEachChunk(x.count) { store($0, into: target, write) { function(source[$0]) } }
  }

  /// Applies a function to pairs of elements, repeating operands as `broadcast` says.
  public func binary(
    _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination
  ) {
    switch operation {
    case .add: zip("add", a, b, broadcast, out) { $0 + $1 }
    case .subtract: zip("subtract", a, b, broadcast, out) { $0 - $1 }
    case .multiply: zip("multiply", a, b, broadcast, out) { $0 * $1 }
    case .divide: zip("divide", a, b, broadcast, out) { $0 / $1 }
    case .minimum: zip("minimum", a, b, broadcast, out) { $0.replacing(with: $1, where: $0 .> $1) }
    case .maximum: zip("maximum", a, b, broadcast, out) { $0.replacing(with: $1, where: $0 .< $1) }
    case .siluBackward: zip("siluBackward", a, b, broadcast, out) { VectorMath.siluDerivative($0) * $1 }
    case .geluBackward: zip("geluBackward", a, b, broadcast, out) { VectorMath.geluDerivative($0) * $1 }
    case .quickGELUBackward:
      zip("quickGELUBackward", a, b, broadcast, out) { VectorMath.siluDerivative($0, 1.702) * $1 }
    }
  }

  /// Walks the rows of the innermost axis, along which each operand either advances or stands still.
  @inline(__always)
  private func zip(
    _ operation: StaticString, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, _ out: Destination,
    _ function: (Lanes, Lanes) -> Lanes
  ) {
    let (a, b, target, write) = (a.host(operation), b.host(operation), out.host(operation), out.write)
    let extents = broadcast.extents
    let (advanceA, advanceB) = (broadcast.firstStrides[3] != 0, broadcast.secondStrides[3] != 0)
    forEachRow(extents[0] * extents[1] * extents[2], of: extents[3]) { row, columns in
      let (outer, last) = row.quotientAndRemainder(dividingBy: extents[2])
      let (first, middle) = outer.quotientAndRemainder(dividingBy: extents[1])
      let index = SIMD4(first, middle, last, 0)
      let rowA = a + (index &* broadcast.firstStrides).wrappedSum()
      let rowB = b + (index &* broadcast.secondStrides).wrappedSum()
      store(columns, into: target + row * extents[3], write) { slot in
        function(
          advanceA ? rowA[slot] : Lanes(repeating: rowA[0]), advanceB ? rowB[slot] : Lanes(repeating: rowB[0]))
      }
    }
  }

  /// [rows, 2n] → [rows, n]: the first half times gelu of the second.
  public func geglu(_ x: Tensor, into out: Tensor) {
    let (x, target, width) = (x.host("geglu"), out.host("geglu"), out.shape[-1])
    forEachRow(out.count / max(width, 1), of: width) { row, columns in
      let value = x + row * 2 * width
      let gate = value + width
      store(columns, into: target + row * width, .overwrite) { value[$0] * VectorMath.gelu(gate[$0]) }
    }
  }

  /// The derivative of `geglu`.
  public func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination) {
    let width = gradient.shape[-1]
    let rows = gradient.count / max(width, 1)
    let (x, gradient, target) = (x.host("gegluBackward"), gradient.host("gegluBackward"), dx.host("gegluBackward"))
    forEachRow(rows, of: width) { row, columns in
      let (value, gate, g) = (x + row * 2 * width, x + row * 2 * width + width, gradient + row * width)
      let dvalue = target + row * 2 * width
      store(columns, into: dvalue, dx.write) { g[$0] * VectorMath.gelu(gate[$0]) }
      store(columns, into: dvalue + width, dx.write) {
        g[$0] * value[$0] * VectorMath.geluDerivative(gate[$0])
      }
    }
  }
}
