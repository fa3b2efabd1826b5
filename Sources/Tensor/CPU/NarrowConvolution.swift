import CPUKernels

/// Convolutions with few channels on one side, such as a network's first and last.
///
/// Products with few columns would leave most of a vector empty. So all taps of the narrow side are treated as one side
/// of a single product of matrices: `windows` brings the narrow pixels of each window together, and `sumOfTaps` adds up
/// what each tap contributes to a narrow pixel.
struct NarrowConvolution {
  let lattices: [PixelLattice]
  /// The channels of the narrow picture.
  let channels: Int
  let taps: Int

  /// The numbers that one pixel of the wide picture is multiplied with.
  var width: Int { taps * channels }

  /// Writes one line of windows of `narrow`, [lattice's pixels, taps, channels], zeros where they leave the picture.
  fileprivate func windows(of narrow: ConstantFloats, line: Int, into out: Floats) {
    let lattice = lattices[0]
    let start = out + line * lattice.width * width
    for tap in lattice.taps {
      let (inside, pixel) = lattice.inside(line: line, tap)
      let to = start + tap.index * channels
      for column in 0..<inside.lowerBound { (to + column * width).update(repeating: 0, count: channels) }
      var from = narrow + pixel * channels
      for column in inside {
        for channel in 0..<channels { to[column * width + channel] = from[channel] }
        from += lattice.source.scale * channels
      }
      for column in inside.upperBound..<lattice.width { (to + column * width).update(repeating: 0, count: channels) }
    }
  }

  /// Adds up what the taps contribute to the pixels of one line, from products [source's pixels, taps, channels].
  fileprivate func sumOfTaps(
    _ products: ConstantFloats, _ lattice: PixelLattice, line: Int, bias: Floats?, into narrow: Floats, _ write: Write
  ) {
    let start = narrow + lattice.targetPixel(line: line) * channels
    let step = lattice.target.step * channels
    if write == .overwrite {
      for column in 0..<lattice.width {
        for channel in 0..<channels { start[column * step + channel] = bias?[channel] ?? 0 }
      }
    }
    for tap in lattice.taps {
      let (inside, pixel) = lattice.inside(line: line, tap)
      var from = products + pixel * width + tap.index * channels
      for column in inside {
        for channel in 0..<channels { start[column * step + channel] += from[channel] }
        from += lattice.source.scale * width
      }
    }
  }
}

extension ConvolutionShapes {
  /// Whether a convolution is treated as one of few channels.
  var hasNarrowInput: Bool { isNarrow(inChannels) && inChannels <= outChannels }
  /// Whether a convolution is treated as one into few channels.
  var hasNarrowOutput: Bool { isNarrow(outChannels) }

  private func isNarrow(_ channels: Int) -> Bool { channels <= 8 && taps > 1 && taps * channels <= 256 }
}

extension CPUBackend {
  /// A convolution of few channels into many.
  func convolveFromNarrow(
    _ shapes: ConvolutionShapes, _ x: Floats, _ weight: Floats, bias: Floats?, into out: Floats
  ) {
    let narrow = NarrowConvolution(lattices: [.forward(shapes)], channels: shapes.inChannels, taps: shapes.taps)
    withWindows(narrow, of: x) { windows in
      let product = MatrixProduct(m: shapes.outPixels, n: shapes.outChannels, k: narrow.width)
      matrixProduct(windows, weight, product, bias: bias, into: out, .overwrite)
    }
  }

  /// A convolution of many channels into few, with a stride of 1.
  func convolveToNarrow(
    _ shapes: ConvolutionShapes, _ x: Floats, _ weight: Floats, bias: Floats?, into out: Floats
  ) {
    let narrow = NarrowConvolution(lattices: [.forward(shapes)], channels: shapes.outChannels, taps: shapes.taps)
    withWeightsOfTaps(shapes, weight) { weights in
      let product = MatrixProduct(m: shapes.pixels, n: narrow.width, k: shapes.inChannels)
      withProducts(narrow, x, weights, product, bias: bias, into: out, .overwrite)
    }
  }

  /// The derivative by an input of few channels.
  func convolveBackwardToNarrow(
    _ shapes: ConvolutionShapes, _ gradient: Floats, _ weight: Floats, into dx: Floats, _ write: Write
  ) {
    let narrow = NarrowConvolution(
      lattices: PixelLattice.backward(shapes), channels: shapes.inChannels, taps: shapes.taps)
    let product = MatrixProduct(m: shapes.outPixels, n: narrow.width, k: shapes.outChannels, transposeB: true)
    withProducts(narrow, gradient, weight, product, bias: nil, into: dx, write)
  }

  /// The derivative by the input of a convolution into few channels, with a stride of 1.
  func convolveBackwardFromNarrow(
    _ shapes: ConvolutionShapes, _ gradient: Floats, _ weight: Floats, into dx: Floats, _ write: Write
  ) {
    let narrow = NarrowConvolution(
      lattices: PixelLattice.backward(shapes), channels: shapes.outChannels, taps: shapes.taps)
    withWindows(narrow, of: gradient) { windows in
      withWeightsOfTaps(shapes, weight) { weights in
        let product = MatrixProduct(m: shapes.pixels, n: shapes.inChannels, k: narrow.width, transposeB: true)
        matrixProduct(windows, weights, product, into: dx, write)
      }
    }
  }

  /// The derivative by the weights of a convolution of few channels.
  func convolveBackwardWeightFromNarrow(
    _ shapes: ConvolutionShapes, _ x: Floats, _ gradient: Floats, into dw: Floats, _ write: Write
  ) {
    let narrow = NarrowConvolution(lattices: [.forward(shapes)], channels: shapes.inChannels, taps: shapes.taps)
    withWindows(narrow, of: x) { windows in
      let product = MatrixProduct(m: narrow.width, n: shapes.outChannels, k: shapes.outPixels, transposeA: true)
      matrixProduct(windows, gradient, product, into: dw, write)
    }
  }

  /// The derivative by the weights of a convolution into few channels, with a stride of 1.
  func convolveBackwardWeightToNarrow(
    _ shapes: ConvolutionShapes, _ x: Floats, _ gradient: Floats, into dw: Floats, _ write: Write
  ) {
    let narrow = NarrowConvolution(
      lattices: PixelLattice.backward(shapes), channels: shapes.outChannels, taps: shapes.taps)
    withWindows(narrow, of: gradient) { windows in
      withWorkspace(shapes.inChannels * narrow.width) { sums in
        let product = MatrixProduct(m: shapes.inChannels, n: narrow.width, k: shapes.pixels, transposeA: true)
        matrixProduct(x, windows, product, into: sums, .overwrite)
        let channels = shapes.outChannels
        for index in 0..<shapes.taps * shapes.inChannels {
          let (tap, input) = index.quotientAndRemainder(dividingBy: shapes.inChannels)
          let from = sums + input * narrow.width + tap * channels
          store(0..<channels, into: dw + index * channels, write) { from[$0] }
        }
      }
    }
  }
}

extension CPUBackend {
  /// Lends the windows of a narrow picture.
  private func withWindows(_ narrow: NarrowConvolution, of picture: Floats, _ body: (Floats) -> Void) {
    let lattice = narrow.lattices[0]
    let lineSize = lattice.width * narrow.width
    withWorkspace(lattice.lineCount * lineSize) { windows in
      forEachChunk(lattice.lineCount, of: CPUBackend.rowsPerChunk(lineSize)) { lines in
        for line in lines { narrow.windows(of: picture, line: line, into: windows) }
      }
      body(windows)
    }
  }

  /// Lends weights as [in, taps, out].
  private func withWeightsOfTaps(_ shapes: ConvolutionShapes, _ weight: Floats, _ body: (Floats) -> Void) {
    let (taps, channels) = (shapes.taps, shapes.outChannels)
    withWorkspace(shapes.inChannels * taps * channels) { weights in
      for index in 0..<taps * shapes.inChannels {
        let (tap, input) = index.quotientAndRemainder(dividingBy: shapes.inChannels)
        (weights + (input * taps + tap) * channels).update(from: weight + index * channels, count: channels)
      }
      body(weights)
    }
  }

  /// Multiplies the wide picture's pixels with the weights of all taps, and adds the taps up.
  private func withProducts(
    _ narrow: NarrowConvolution, _ wide: Floats, _ weights: Floats, _ product: MatrixProduct, bias: Floats?,
    into out: Floats, _ write: Write
  ) {
    withWorkspace(product.m * product.n) { products in
      matrixProduct(wide, weights, product, into: products, .overwrite)
      for lattice in narrow.lattices {
        forEachChunk(lattice.lineCount, of: CPUBackend.rowsPerChunk(lattice.width * narrow.width)) { lines in
          for line in lines {
            narrow.sumOfTaps(products, lattice, line: line, bias: bias, into: out, write)
          }
        }
      }
    }
  }
}
