public import CPUKernels

extension Kernels {
  /// Products of few rows with rows; see `ProductKernels`.
  public static func multiplyRows(
    _ a: ConstantFloats, rows: Int, _ b: ConstantFloats, columns: Int, depth: Int, into c: Floats, stride: Int,
    bias: ConstantFloats?, _ write: Write
  ) {
    for column in 0..<columns {
      for row in 0..<rows {
        let to = c + row * stride + column
        var sum = dotProduct(a + row * depth, b + column * depth, count: depth)
        if let bias { sum += bias[column] }
        if write == .accumulate { sum += to[0] }
        to[0] = sum
      }
    }
  }

  /// The sum of the products of two lists, in four vectors that take turns.
  @inline(__always)
  private static func dotProduct(_ a: ConstantFloats, _ b: ConstantFloats, count: Int) -> Float {
    let width = Vector.scalarCount
    var (sum0, sum1, sum2, sum3) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    var k = 0
    while k + 4 * width <= count {
      addProduct(a.vector(at: k), b.vector(at: k), to: &sum0)
      addProduct(a.vector(at: k + width), b.vector(at: k + width), to: &sum1)
      addProduct(a.vector(at: k + 2 * width), b.vector(at: k + 2 * width), to: &sum2)
      addProduct(a.vector(at: k + 3 * width), b.vector(at: k + 3 * width), to: &sum3)
      k += 4 * width
    }
    while k < count {
      let lanes = min(width, count - k)
      addProduct(a.vector(at: k, count: lanes), b.vector(at: k, count: lanes), to: &sum0)
      k += width
    }
    return VectorMath.sum((sum0 + sum1) + (sum2 + sum3))
  }

  /// Sums of multiples of rows; see `ProductKernels`.
  public static func combineRows(
    _ a: ConstantFloats, rows: Int, rowStride: Int, depth: Int, depthStride: Int, _ b: ConstantFloats, stride: Int,
    columns: Int, into c: Floats, stride outStride: Int, bias: ConstantFloats?, _ write: Write
  ) {
    // What was there is added to complete sums, so that it does not take part in their rounding.
    if write == .accumulate && depth > 4 {
      return withUnsafeTemporaryAllocation(byteCount: 4 * max(rows * columns, 1), alignment: 64) { memory in
        let sums = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
        combineRows(
          a, rows: rows, rowStride: rowStride, depth: depth, depthStride: depthStride, b, stride: stride,
          columns: columns, into: sums, stride: columns, bias: bias, .overwrite)
        for row in 0..<rows {
          let (from, to) = (ConstantFloats(sums + row * columns), c + row * outStride)
          forEachVector(columns) { column, lanes in
            to.add(from.vector(at: column, count: lanes), at: column, count: lanes)
          }
        }
      }
    }
    var k = 0
    repeat {
      for row in 0..<rows {
        let (factors, to) = (a + row * rowStride + k * depthStride, c + row * outStride)
        let start = k == 0 ? bias : ConstantFloats(to)
        // A constant number of rows makes one loop of it.
        if depth - k >= 4 {
          addMultiples(factors, depthStride, count: 4, of: b + k * stride, stride, columns, to: start, into: to, write)
        } else {
          addMultiples(
            factors, depthStride, count: depth - k, of: b + k * stride, stride, columns, to: start, into: to, write)
        }
      }
      k += 4
    } while k < depth
  }

  /// Adds up to four rows, each times its own number. Four at a time, since each time the sums are read and written.
  @inline(__always)
  private static func addMultiples(
    _ factors: ConstantFloats, _ factorStride: Int, count: Int, of b: ConstantFloats, _ stride: Int, _ columns: Int,
    to start: ConstantFloats?, into sums: Floats, _ write: Write
  ) {
    forEachVector(columns) { column, lanes in
      var sum = start.map { $0.vector(at: column, count: lanes) } ?? .zero
      for k in 0..<count {
        addProduct(
          Vector(repeating: factors[k * factorStride]), (b + k * stride).vector(at: column, count: lanes), to: &sum)
      }
      if write == .accumulate { sum += ConstantFloats(sums).vector(at: column, count: lanes) }
      sums.store(sum, at: column, count: lanes)
    }
  }
}
