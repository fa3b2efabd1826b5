import CPUKernels

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
    let channels = pixels.channels
    // d takes an exponential and a quotient for each element, so it is kept: where dx goes, unless dx is added there.
    let keepsApart = spec.silu && dx?.write != .overwrite
    let pairs = 2 * (2 * pixels.batch + pixels.chunkCount) * channels
    withWorkspace(pairs + 3 * pixels.batch * channels + (keepsApart ? x.count : 0)) { workspace in
      let moments = pixels.spread(statistics.host(name), into: workspace)
      let sums = ChannelPairs(start: workspace + 2 * pixels.batch * channels, channels: channels)
      let partial = sums.start + 2 * pixels.batch * channels
      let coefficients = workspace + pairs
      let (source, gradient) = (x.host(name), gradient.host(name))
      let (gamma, beta) = (gamma.host(name), beta.host(name))
      let apart = keepsApart ? coefficients + 3 * pixels.batch * channels : dx?.host(name)
      let derivative = spec.silu ? apart : nil

      forEachChunk(of: pixels) { chunk in
        kernels.groupNormSums(
          source + chunk.offset, gradient + chunk.offset, rows: chunk.rows, channels: channels,
          moments.parameters(of: chunk.picture, gamma: gamma, beta: beta),
          siluDerivative: derivative.map { $0 + chunk.offset }, into: partial + 2 * chunk.index * channels)
      }
      for picture in 0..<pixels.batch {
        kernels.sumRows(
          partial + 2 * picture * pixels.chunksPerPicture * channels, rows: pixels.chunksPerPicture,
          stride: 2 * channels, width: 2 * channels, scale: 1, into: sums.rows(of: picture).first, .overwrite)
      }
      if let dbeta { sumPictures(sums.start, pixels, into: dbeta.host(name), dbeta.write) }
      if let dgamma { sumPictures(sums.start + channels, pixels, into: dgamma.host(name), dgamma.write) }
      guard let dx else { return }
      let target = dx.host(name)
      pixels.coefficients(moments, sums, gamma: gamma, into: coefficients)
      forEachChunk(of: pixels) { chunk in
        let factor = coefficients + 3 * chunk.picture * channels
        kernels.groupNormDerivative(
          source + chunk.offset, (derivative ?? gradient) + chunk.offset, rows: chunk.rows, channels: channels,
          mean: moments.rows(of: chunk.picture).first, factor: factor, shift: factor + channels,
          slope: factor + 2 * channels, into: target + chunk.offset, dx.write)
      }
    }
  }

  /// Adds up one of the two rows that every picture has.
  private func sumPictures(_ first: Floats, _ pixels: GroupedPixels, into out: Floats, _ write: Write) {
    kernels.sumRows(
      first, rows: pixels.batch, stride: 2 * pixels.channels, width: pixels.channels, scale: 1, into: out,
      write)
  }
}

extension GroupedPixels {
  /// γ/σ, -mean(γ d)/σ and -mean(γ d x̂)/σ² of every channel, [batch, 3, channels]: the numbers that dx is linear in.
  ///
  /// - Parameters:
  ///   - moments: the mean and 1/σ of every channel.
  ///   - sums: Σ d and Σ d x̂ of every channel.
  fileprivate func coefficients(
    _ moments: ChannelPairs, _ sums: ChannelPairs, gamma: Floats, into coefficients: Floats
  ) {
    let total = Double(area * channelsPerGroup)
    for picture in 0..<batch {
      let (plain, normalized) = sums.rows(of: picture)
      let scales = moments.rows(of: picture).second
      let factor = coefficients + 3 * picture * channels
      forEachGroup { _, range in
        var (first, second) = (0.0, 0.0)
        for channel in range {
          first += Double(gamma[channel]) * Double(plain[channel])
          second += Double(gamma[channel]) * Double(normalized[channel])
        }
        let scale = Double(scales[range.lowerBound])
        let (shift, slope) = (Float(-first / total * scale), Float(-second / total * scale * scale))
        for channel in range {
          factor[channel] = Float(Double(gamma[channel]) * scale)
          factor[channels + channel] = shift
          factor[2 * channels + channel] = slope
        }
      }
    }
  }
}
