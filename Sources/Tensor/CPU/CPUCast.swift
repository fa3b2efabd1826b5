import CPUKernels

extension CPUBackend {
  /// Converts between types, or copies where they agree; what is not floating point converts to Float32 and back only
  /// by way of a copy.
  public func cast(_ x: Tensor, into out: Destination) {
    let target = out.tensor
    if x.dtype == target.dtype && out.write == .overwrite {
      let (source, bytes, size) = (x.hostBytes, target.hostBytes, x.dtype.byteCount)
      forEachShare(x.count) {
        (bytes + $0.lowerBound * size).copyMemory(from: source + $0.lowerBound * size, byteCount: $0.count * size)
      }
      return
    }
    require(target.dtype.isFloatingPoint, "cast: cpu does not convert \(x.dtype) to \(target.dtype)")
    if target.dtype == .float32 && out.write == .overwrite {
      let values = Floats(address: target.address)
      forEachShare(x.count) { read(x, from: $0.lowerBound, $0.count, into: values + $0.lowerBound) }
    } else if x.dtype == .float32 && out.write == .overwrite {
      let values = Floats(address: x.address)
      forEachShare(x.count) { write(values + $0.lowerBound, $0.count, into: target, from: $0.lowerBound) }
    } else {
      forEachBlock(x.count) { range, values in
        read(x, from: range.lowerBound, range.count, into: values)
        if out.write == .accumulate {
          let old = values + CPUBackend.blockSize
          read(target, from: range.lowerBound, range.count, into: old)
          add(old, range.count, to: values)
        }
        write(values, range.count, into: target, from: range.lowerBound)
      }
    }
  }

  /// The numbers of a block: few enough that they stay in the fastest cache.
  static var blockSize: Int { 2048 }

  /// Calls `body` for consecutive blocks of at most `size` elements that make up `0..<count`, in parallel, lending each
  /// room for twice `blockSize` numbers.
  @inline(__always)
  func forEachBlock(_ count: Int, of size: Int = CPUBackend.blockSize, _ body: (Range<Int>, Floats) -> Void) {
    forEachChunk(count) { withBlocks(of: $0, size: size, body) }
  }

  /// Calls `body` for consecutive blocks of a range, lending room for twice `blockSize` numbers.
  @inline(__always)
  func withBlocks(of range: Range<Int>, size: Int = CPUBackend.blockSize, _ body: (Range<Int>, Floats) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * CPUBackend.blockSize) { scratch in
      guard let values = scratch.baseAddress else { return }
      for start in stride(from: range.lowerBound, to: range.upperBound, by: size) {
        body(start..<min(start + size, range.upperBound), values)
      }
    }
  }

  /// Reads `count` elements of any type from element `start` on as Float32.
  func read(_ x: Tensor, from start: Int, _ count: Int, into out: Floats) {
    switch x.dtype {
    case .float32: out.update(from: Floats(address: x.address) + start, count: count)
    case .float16: kernels.widenHalves(UnsafeMutablePointer(address: x.address) + start, count: count, into: out)
    case .bfloat16: kernels.widenBFloats(UnsafeMutablePointer(address: x.address) + start, count: count, into: out)
    case .int32: widen(UnsafeMutablePointer<Int32>(address: x.address) + start, count, out)
    case .uint8: widen(UnsafeMutablePointer<UInt8>(address: x.address) + start, count, out)
    }
  }

  @inline(__always)
  private func widen<Integer: BinaryInteger>(_ x: UnsafeMutablePointer<Integer>, _ count: Int, _ out: Floats) {
    for i in 0..<count { out[i] = Float(x[i]) }
  }

  /// Rounds `count` numbers to the floating-point type of `out`, from its element `start` on.
  func write(_ values: Floats, _ count: Int, into out: Tensor, from start: Int) {
    if out.dtype == .float32 { return (Floats(address: out.address) + start).update(from: values, count: count) }
    let target = UnsafeMutablePointer<UInt16>(address: out.address) + start
    if out.dtype == .float16 {
      kernels.roundToHalves(values, count: count, into: target)
    } else {
      kernels.roundToBFloats(values, count: count, into: target)
    }
  }
}
