extension CPUBackend {
  /// Normalises rows of the last axis.
  public func layerNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor
  ) {
    let name: StaticString = "layerNorm"
    let (rows, width) = (statistics.count / 2, x.shape[-1])
    let (x, gamma, beta) = (x.host(name), gamma.host(name), beta.host(name))
    let (out, statistics) = (out.host(name), statistics.host(name))
    forEachChunk(rows, of: CPUBackend.rowsPerChunk(width)) { rows in
      for row in rows {
        let (from, to) = (x + row * width, out + row * width)
        let mean = Float(laneSum(0..<width) { from[$0] } / Double(width))
        let deviations = laneSum(0..<width) { slot in
          let deviation = from[slot] - slot.lanes(mean)
          return deviation * deviation
        }
        let scale = Float(1 / (deviations / Double(width) + Double(epsilon)).squareRoot())
        (statistics[2 * row], statistics[2 * row + 1]) = (mean, scale)
        store(0..<width, into: to, .overwrite) { (from[$0] - mean) * scale * gamma[$0] + beta[$0] }
      }
    }
  }

  /// The derivatives of `layerNorm`, each computed only where it is wanted; the formulas are those of
  /// `groupNormBackward` with a row in place of a group.
  public func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    let name: StaticString = "layerNormBackward"
    let (rows, width) = (statistics.count / 2, x.shape[-1])
    let (x, gradient, gamma, statistics) = (x.host(name), gradient.host(name), gamma.host(name), statistics.host(name))
    if let dbeta {
      sumColumns(rows, of: width, into: dbeta.host(name), dbeta.write) { rows, partial in
        sumRows(rows, columns: 0..<width, into: partial, .overwrite) { row, slot in gradient[slot + row * width] }
      }
    }
    if let dgamma {
      sumColumns(rows, of: width, into: dgamma.host(name), dgamma.write) { rows, partial in
        sumRows(rows, columns: 0..<width, into: partial, .overwrite) { row, slot in
          let at = slot + row * width
          return gradient[at] * ((x[at] - statistics[2 * row]) * statistics[2 * row + 1])
        }
      }
    }
    guard let dx else { return }
    let target = dx.host(name)
    forEachChunk(rows, of: CPUBackend.rowsPerChunk(width)) { rows in
      for row in rows {
        let (from, g) = (x + row * width, gradient + row * width)
        let (mean, scale) = (statistics[2 * row], statistics[2 * row + 1])
        let first = Float(laneSum(0..<width) { gamma[$0] * g[$0] } / Double(width))
        let second = Float(
          laneSum(0..<width) { gamma[$0] * g[$0] * ((from[$0] - mean) * scale) } / Double(width))
        store(0..<width, into: target + row * width, dx.write) { slot in
          scale * ((gamma[slot] * g[slot] - first) - (from[slot] - mean) * scale * second)
        }
      }
    }
  }
}
