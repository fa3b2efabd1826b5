public import CPUKernels

extension Kernels {
  /// Normalised rows; see `NormalizationKernels`.
  public static func layerNorm(
    _ x: ConstantFloats, rows: Int, width: Int, gamma: ConstantFloats, beta: ConstantFloats, epsilon: Float,
    into out: Floats, statistics: Floats
  ) {
    for row in 0..<rows {
      let (from, to) = (x + row * width, out + row * width)
      @inline(__always) func value(_ column: Int, _ lanes: Int) -> Vector { from.vector(at: column, count: lanes) }
      let mean = Float(sumVectors(width, value) / Double(width))
      let center = Vector(repeating: mean)
      @inline(__always) func square(_ column: Int, _ lanes: Int) -> Vector {
        let deviation = value(column, lanes) - center.first(lanes)
        return deviation * deviation
      }
      let scale = Float(1 / (sumVectors(width, square) / Double(width) + Double(epsilon)).squareRoot())
      (statistics[2 * row], statistics[2 * row + 1]) = (mean, scale)
      @inline(__always) func normalize(_ column: Int, _ lanes: Int) {
        var y = beta.vector(at: column, count: lanes)
        addProduct((value(column, lanes) - center) * scale, gamma.vector(at: column, count: lanes), to: &y)
        to.store(y, at: column, count: lanes)
      }
      forEachVector(width, normalize)
    }
  }

  /// Derivatives of normalised rows; see `NormalizationKernels`.
  public static func layerNormBackward(
    _ x: ConstantFloats, _ gradient: ConstantFloats, rows: Int, width: Int, gamma: ConstantFloats,
    statistics: ConstantFloats, dx: Floats?, _ write: Write, sums: Floats?
  ) {
    if let sums { for index in 0..<2 * width { sums[index] = 0 } }
    for row in 0..<rows {
      let normalized = NormalizedRow(x + row * width, statistics + 2 * row)
      let g = gradient + row * width
      if let sums { addRow(normalized, g, width, to: sums) }
      if let dx { differentiateRow(normalized, g, width, gamma, into: dx + row * width, write) }
    }
  }

  /// Adds g and g x̂ of one row to the sums of each column, [2, width].
  @inline(__always)
  private static func addRow(_ x: NormalizedRow, _ g: ConstantFloats, _ width: Int, to sums: Floats) {
    let (plain, products) = (sums, sums + width)
    @inline(__always) func add(_ column: Int, _ lanes: Int) {
      let g = g.vector(at: column, count: lanes)
      plain.add(g, at: column, count: lanes)
      var product = ConstantFloats(products).vector(at: column, count: lanes)
      addProduct(g, x.vector(column, lanes), to: &product)
      products.store(product, at: column, count: lanes)
    }
    forEachVector(width, add)
  }

  /// dx = (γ g - mean(γ g) - x̂ mean(γ g x̂)) / σ of one row.
  @inline(__always)
  private static func differentiateRow(
    _ x: NormalizedRow, _ g: ConstantFloats, _ width: Int, _ gamma: ConstantFloats, into dx: Floats, _ write: Write
  ) {
    @inline(__always) func scaled(_ column: Int, _ lanes: Int) -> Vector {
      gamma.vector(at: column, count: lanes) * g.vector(at: column, count: lanes)
    }
    @inline(__always) func product(_ column: Int, _ lanes: Int) -> Vector {
      scaled(column, lanes) * x.vector(column, lanes)
    }
    let mean = Float(sumVectors(width, scaled) / Double(width))
    let slope = Vector(repeating: -Float(sumVectors(width, product) / Double(width)))
    @inline(__always) func differentiate(_ column: Int, _ lanes: Int) {
      var difference = scaled(column, lanes) - mean
      addProduct(x.vector(column, lanes), slope, to: &difference)
      var result = difference * x.scale
      if write == .accumulate { result += ConstantFloats(dx).vector(at: column, count: lanes) }
      dx.store(result, at: column, count: lanes)
    }
    forEachVector(width, differentiate)
  }
}

/// A row whose mean and 1/σ are known.
private struct NormalizedRow {
  let row: ConstantFloats
  let mean: Float
  let scale: Float

  @inline(__always)
  init(_ row: ConstantFloats, _ statistics: ConstantFloats) {
    self.row = row
    (mean, scale) = (statistics[0], statistics[1])
  }

  /// x̂ = (x - mean) · scale.
  @inline(__always)
  func vector(_ column: Int, _ lanes: Int) -> Vector { (row.vector(at: column, count: lanes) - mean) * scale }
}

extension Vector {
  /// The first numbers, and zeros.
  @inline(__always)
  fileprivate func first(_ count: Int) -> Vector {
    if count == Vector.scalarCount { return self }
    var vector = Vector.zero
    for lane in 0..<count { vector[lane] = self[lane] }
    return vector
  }
}
