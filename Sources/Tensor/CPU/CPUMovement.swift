extension CPUBackend {
  /// Copies blocks at strides; elements of the output outside the blocks are left alone. Types of any kind are moved.
  public func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination) {
    let target = out.tensor
    require(x.dtype == target.dtype, "copyBlocks: \(x.dtype) does not go into \(target.dtype)")
    if out.write == .accumulate {
      let (source, sums) = (x.host("copyBlocks") + copy.source.offset, out.host("copyBlocks") + copy.target.offset)
      forEachRow(copy.outer, of: copy.count) { block, columns in
        let from = source + block * copy.source.stride
        store(columns, into: sums + block * copy.target.stride, .accumulate) { from[$0] }
      }
    } else {
      let size = x.dtype.byteCount
      let (source, bytes) = (x.hostBytes + copy.source.offset * size, target.hostBytes + copy.target.offset * size)
      forEachRow(copy.outer, of: copy.count) { block, columns in
        (bytes + (block * copy.target.stride + columns.lowerBound) * size).copyMemory(
          from: source + (block * copy.source.stride + columns.lowerBound) * size, byteCount: columns.count * size)
      }
    }
  }

  /// Reorders axes: axis i of the output is axis `permutation[i]` of the input. Types of any kind are moved.
  public func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination) {
    let target = out.tensor
    require(x.dtype == target.dtype, "transpose: \(x.dtype) does not go into \(target.dtype)")
    let axes = TransposedAxes(x.shape, permutation)
    if out.write == .accumulate {
      let (source, sums) = (x.host("transpose"), out.host("transpose"))
      forEachTransposedRow(axes, source, sums) { sum, element in sum += element }
    } else {
      switch x.dtype.byteCount {
      case 4: move(x, axes, to: target, as: UInt32.self)
      case 2: move(x, axes, to: target, as: UInt16.self)
      default: move(x, axes, to: target, as: UInt8.self)
      }
    }
  }

  @inline(__always)
  private func move<Bits: BitwiseCopyable>(_ x: Tensor, _ axes: TransposedAxes, to out: Tensor, as: Bits.Type) {
    let (source, target) = (
      UnsafeMutablePointer<Bits>(address: x.address), UnsafeMutablePointer<Bits>(address: out.address)
    )
    forEachTransposedRow(axes, source, target) { old, element in old = element }
  }

  @inline(__always)
  private func forEachTransposedRow<Bits: BitwiseCopyable>(
    _ axes: TransposedAxes, _ source: UnsafeMutablePointer<Bits>, _ target: UnsafeMutablePointer<Bits>,
    _ put: (inout Bits, Bits) -> Void
  ) {
    forEachRow(axes.planes * axes.height, of: axes.width) { row, columns in
      let (plane, y) = row.quotientAndRemainder(dividingBy: axes.height)
      let from = source + axes.sourceOffset(ofPlane: plane) + y * axes.heightStride
      let to = target + row * axes.width
      for column in columns { put(&to[column], from[column * axes.widthStride]) }
    }
  }

  /// Enlarges [batch, h, w, channels] to the output's height and width; row y reads input row ⌊y·h/H⌋. Types of any
  /// kind are moved.
  public func upsampleNearest(_ x: Tensor, into out: Tensor) {
    require(x.dtype == out.dtype, "upsampleNearest: \(x.dtype) does not go into \(out.dtype)")
    let (height, width, pixelBytes) = (x.shape[1], x.shape[2], x.shape[3] * x.dtype.byteCount)
    let (newHeight, newWidth) = (out.shape[1], out.shape[2])
    let (source, target) = (x.hostBytes, out.hostBytes)
    forEachChunk(out.shape[0] * newHeight, of: CPUBackend.rowsPerChunk(newWidth * x.shape[3])) { rows in
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
    forEachChunk(shape[0] * height, of: CPUBackend.rowsPerChunk(newWidth * channels)) { rows in
      for row in rows {
        let (picture, y) = row.quotientAndRemainder(dividingBy: height)
        let (ys, to) = (readers(y, height, newHeight), target + row * width * channels)
        let from = source + picture * newHeight * newWidth * channels
        for x in 0..<width {
          let xs = readers(x, width, newWidth)
          store(0..<channels, into: to + x * channels, dx.write) { slot in
            var total = Lanes.zero
            for y in ys { for x in xs { total += from[slot + (y * newWidth + x) * channels] } }
            return total
          }
        }
      }
    }
  }
}
