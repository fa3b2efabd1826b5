extension CPUBackend {
  /// The derivatives of `groupNorm`, each computed only where it is wanted.
  ///
  /// With x̂ the normalised input and d the gradient by the result before SiLU, dβ = Σ d, dγ = Σ d x̂ and
  /// dx = (γ d - mean(γ d) - x̂ mean(γ d x̂)) / σ, where the means are taken over the group.
  public func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?
  ) {
    let name: StaticString = "groupNormBackward"
    let pixels = GroupedPixels(x.shape, spec)
    let pairCount = 2 * pixels.channels
    withWorkspace((2 * pixels.batch + pixels.chunkCount) * pairCount) { workspace in
      let pass = GroupNormBackward(
        pixels: pixels, x: x.host(name), gradient: gradient.host(name), gamma: gamma.host(name),
        beta: beta.host(name), moments: pixels.spread(statistics.host(name), into: workspace), silu: spec.silu)
      let sums = ChannelPairs(start: workspace + pixels.batch * pairCount, channels: pixels.channels)
      let partial = ChannelPairs(start: sums.start + pixels.batch * pairCount, channels: pixels.channels)

      forEachPixelChunk(pixels) { picture, rows in
        pass.sum(rows, of: picture, into: partial.rows(of: pixels.chunkIndex(rows)))
      }
      for picture in 0..<pixels.batch {
        let chunks = partial.rows(of: picture * pixels.chunksPerPicture).first
        addUp(pixels.chunksPerPicture, of: pairCount, chunks, into: sums.rows(of: picture).first, .overwrite)
      }
      if let dbeta { sumPictures(sums.start, pixels, into: dbeta.host(name), dbeta.write) }
      if let dgamma { sumPictures(sums.start + pixels.channels, pixels, into: dgamma.host(name), dgamma.write) }
      guard let dx else { return }
      let target = dx.host(name)
      for picture in 0..<pixels.batch {
        let (plain, normalized) = sums.rows(of: picture)
        pixels.average(plain, weights: pass.gamma)
        pixels.average(normalized, weights: pass.gamma)
      }
      forEachPixelChunk(pixels) { picture, rows in
        pass.differentiate(rows, of: picture, means: sums.rows(of: picture), into: target, dx.write)
      }
    }
  }

  /// Adds up one of the two rows that every picture has.
  private func sumPictures(_ first: Floats, _ pixels: GroupedPixels, into out: Floats, _ write: Write) {
    sumRows(0..<pixels.batch, columns: 0..<pixels.channels, into: out, write) { picture, slot in
      first[slot + picture * 2 * pixels.channels]
    }
  }
}

/// What both passes of `groupNormBackward` over the pixels read.
private struct GroupNormBackward {
  let pixels: GroupedPixels
  let x: Floats
  let gradient: Floats
  let gamma: Floats
  let beta: Floats
  let moments: ChannelPairs
  let silu: Bool

  /// Σ d and Σ d x̂ of every channel over some pixels of a picture.
  func sum(_ rows: Range<Int>, of picture: Int, into sums: (first: Floats, second: Floats)) {
    let (mean, scale) = moments.rows(of: picture)
    sumRowPairs(rows, columns: 0..<pixels.channels, into: sums.first, sums.second) { row, slot in
      let (d, normalized) = derivative(row * pixels.channels, slot, mean, scale)
      return (d, d * normalized)
    }
  }

  /// dx of some pixels of a picture, given the means of γ d and γ d x̂.
  func differentiate(
    _ rows: Range<Int>, of picture: Int, means: (first: Floats, second: Floats), into dx: Floats, _ write: Write
  ) {
    let (mean, scale) = moments.rows(of: picture)
    for row in rows {
      let offset = row * pixels.channels
      store(0..<pixels.channels, into: dx + offset, write) { slot in
        let (d, normalized) = derivative(offset, slot, mean, scale)
        return scale[slot] * ((gamma[slot] * d - means.first[slot]) - normalized * means.second[slot])
      }
    }
  }

  /// d and x̂ of one slot.
  @inline(__always)
  private func derivative(
    _ offset: Int, _ slot: Slot, _ mean: Floats, _ scale: Floats
  ) -> (d: Lanes, normalized: Lanes) {
    let normalized = (x[slot + offset] - mean[slot]) * scale[slot]
    let g = gradient[slot + offset]
    if !silu { return (g, normalized) }
    return (g * VectorMath.siluDerivative(normalized * gamma[slot] + beta[slot]), normalized)
  }
}
