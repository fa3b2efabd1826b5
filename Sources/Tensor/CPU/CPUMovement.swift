import CPUKernels

extension CPUBackend {
  /// Copies blocks at strides; elements of the output outside the blocks are left alone. Types of any kind are moved.
  public func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination) {
    let target = out.tensor
    require(x.dtype == target.dtype, "copyBlocks: \(x.dtype) does not go into \(target.dtype)")
    if out.write == .accumulate {
      let (source, sums) = (x.host("copyBlocks") + copy.source.offset, out.host("copyBlocks") + copy.target.offset)
      forEachBlock(of: copy) { block, columns in
        add(
          source + block * copy.source.stride + columns.lowerBound, columns.count,
          to: sums + block * copy.target.stride + columns.lowerBound)
      }
    } else {
      let size = x.dtype.byteCount
      let (source, bytes) = (x.hostBytes + copy.source.offset * size, target.hostBytes + copy.target.offset * size)
      forEachBlock(of: copy) { block, columns in
        (bytes + (block * copy.target.stride + columns.lowerBound) * size).copyMemory(
          from: source + (block * copy.source.stride + columns.lowerBound) * size, byteCount: columns.count * size)
      }
    }
  }

  /// Calls `body` for parts of the blocks of a copy, in parallel: whole blocks, or pieces of a single block.
  @inline(__always)
  private func forEachBlock(of copy: BlockCopy, _ body: (Int, Range<Int>) -> Void) {
    if copy.outer == 1 {
      forEachShare(copy.count) { body(0, $0) }
    } else {
      forEachShare(copy.outer, columns: copy.count) { for block in $0 { body(block, 0..<copy.count) } }
    }
  }

  /// Adds numbers to others.
  @inline(__always)
  func add(_ x: Floats, _ count: Int, to sums: Floats) {
    kernels.affine(x, scale: 1, shift: 0, count: count, into: sums, .accumulate)
  }

  /// Enlarges [batch, h, w, channels] to the output's height and width; row y reads input row ⌊y·h/H⌋. Types of any
  /// kind are moved.
  public func upsampleNearest(_ x: Tensor, into out: Tensor) {
    require(x.dtype == out.dtype, "upsampleNearest: \(x.dtype) does not go into \(out.dtype)")
    let (height, width, pixelBytes) = (x.shape[1], x.shape[2], x.shape[3] * x.dtype.byteCount)
    let (newHeight, newWidth) = (out.shape[1], out.shape[2])
    let (source, target) = (x.hostBytes, out.hostBytes)
    forEachShare(out.shape[0] * newHeight, columns: newWidth * x.shape[3]) { rows in
      for row in rows {
        let (picture, y) = row.quotientAndRemainder(dividingBy: newHeight)
        let from = source + (picture * height + y * height / newHeight) * width * pixelBytes
        let to = target + row * newWidth * pixelBytes
        for x in 0..<newWidth {
          (to + x * pixelBytes).copyMemory(from: from + x * width / newWidth * pixelBytes, byteCount: pixelBytes)
        }
      }
    }
  }

  /// Sums the gradient over all pixels that read the same input pixel.
  public func upsampleNearestBackward(_ gradient: Tensor, into dx: Destination) {
    let (source, target) = (gradient.host("upsampleNearestBackward"), dx.host("upsampleNearestBackward"))
    let shape = dx.tensor.shape
    let (height, width, channels) = (shape[1], shape[2], shape[3])
    let (newHeight, newWidth) = (gradient.shape[1], gradient.shape[2])
    // The outputs that read input i of n are those from ⌈i·N/n⌉ up to the first that reads i + 1.
    func readers(_ i: Int, _ n: Int, _ newCount: Int) -> Range<Int> {
      (i * newCount + n - 1) / n..<((i + 1) * newCount + n - 1) / n
    }
    let mostReaders = (newHeight / max(height, 1) + 1) * (newWidth / max(width, 1) + 1)
    forEachShare(shape[0] * height, columns: newWidth * channels) { rows in
      withUnsafeTemporaryAllocation(of: ConstantFloats.self, capacity: mostReaders) { pixels in
        guard let pixels = pixels.baseAddress else { return }
        for row in rows {
          let (picture, y) = row.quotientAndRemainder(dividingBy: height)
          let from = source + picture * newHeight * newWidth * channels
          for x in 0..<width {
            var count = 0
            for y in readers(y, height, newHeight) {
              for x in readers(x, width, newWidth) {
                (pixels + count).initialize(to: ConstantFloats(from + (y * newWidth + x) * channels))
                count += 1
              }
            }
            kernels.sumRows(
              pixels, count: count, width: channels, into: target + (row * width + x) * channels, dx.write)
          }
        }
      }
    }
  }
}
