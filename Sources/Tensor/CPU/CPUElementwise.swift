import CPUKernels

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
    forEachShare(out.count) { (target + $0.lowerBound).update(repeating: bits, count: $0.count) }
  }

  /// Applies a function to every element.
  public func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination) {
    let (source, target) = (x.host("unary"), out.host("unary"))
    forEachShare(x.count) { range in
      kernels.unary(
        operation, source + range.lowerBound, count: range.count, into: target + range.lowerBound, out.write)
    }
  }

  /// `scale` · x + `shift`.
  public func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination) {
    let (source, target) = (x.host("affine"), out.host("affine"))
    forEachShare(x.count) { range in
      kernels.affine(
        source + range.lowerBound, scale: scale, shift: shift, count: range.count, into: target + range.lowerBound,
        out.write)
    }
  }

  /// Applies a function to pairs of elements, repeating operands as `broadcast` says.
  public func binary(
    _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination
  ) {
    let (a, b, target) = (a.host("binary"), b.host("binary"), out.host("binary"))
    if broadcast.isFlat {
      forEachShare(broadcast.extents[3]) { range in
        let (first, second) = (a + range.lowerBound, b + range.lowerBound)
        kernels.binary(
          operation, RowOperand(start: first, stride: 0, isConstant: false),
          RowOperand(start: second, stride: 0, isConstant: false), rows: 1, columns: range.count,
          into: target + range.lowerBound, out.write)
      }
      return
    }
    let columns = broadcast.extents[3]
    forEachShare(broadcast.extents[0] * broadcast.extents[1] * broadcast.extents[2], columns: columns) { rows in
      broadcast.forEachMatrix(of: rows) { range, firstOffset, secondOffset in
        kernels.binary(
          operation, broadcast.rows(of: a + firstOffset, strides: broadcast.firstStrides),
          broadcast.rows(of: b + secondOffset, strides: broadcast.secondStrides), rows: range.count, columns: columns,
          into: target + range.lowerBound * columns, out.write)
      }
    }
  }

  /// [rows, 2n] → [rows, n]: the first half times gelu of the second.
  public func geglu(_ x: Tensor, into out: Tensor) {
    let (x, target, width) = (x.host("geglu"), out.host("geglu"), out.shape[-1])
    forEachShare(out.count / max(width, 1), columns: width) { rows in
      let first = rows.lowerBound * width
      kernels.geglu(x + 2 * first, rows: rows.count, width: width, into: target + first)
    }
  }

  /// The derivative of `geglu`.
  public func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination) {
    let width = gradient.shape[-1]
    let rowCount = gradient.count / max(width, 1)
    let (x, gradient, target) = (x.host("gegluBackward"), gradient.host("gegluBackward"), dx.host("gegluBackward"))
    forEachShare(rowCount, columns: width) { rows in
      let first = rows.lowerBound * width
      kernels.gegluBackward(
        x + 2 * first, gradient + first, rows: rows.count, width: width, into: target + 2 * first, dx.write)
    }
  }
}

extension Broadcast {
  /// Cuts a range of the result's rows where the third axis ends, and calls `body` with each part and with where its
  /// operands begin.
  @inline(__always)
  fileprivate func forEachMatrix(of rows: Range<Int>, _ body: (Range<Int>, Int, Int) -> Void) {
    var row = rows.lowerBound
    while row < rows.upperBound {
      let (outer, last) = row.quotientAndRemainder(dividingBy: extents[2])
      let (first, middle) = outer.quotientAndRemainder(dividingBy: extents[1])
      let end = min(row + extents[2] - last, rows.upperBound)
      let index = SIMD4(first, middle, last, 0)
      body(row..<end, (index &* firstStrides).wrappedSum(), (index &* secondStrides).wrappedSum())
      row = end
    }
  }

  /// Rows of an operand along the last two axes.
  @inline(__always)
  fileprivate func rows(of start: Floats, strides: SIMD4<Int>) -> RowOperand {
    RowOperand(start: start, stride: strides[2], isConstant: strides[3] == 0)
  }
}
