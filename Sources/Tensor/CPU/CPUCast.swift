extension CPUBackend {
  /// Converts between types, or copies where they agree; what is not floating point converts to Float32 and back only
  /// by way of a copy.
  public func cast(_ x: Tensor, into out: Destination) {
    let target = out.tensor
    if x.dtype == target.dtype && out.write == .overwrite {
      let (source, bytes, size) = (x.hostBytes, target.hostBytes, x.dtype.byteCount)
      forEachChunk(x.count) {
        (bytes + $0.lowerBound * size).copyMemory(from: source + $0.lowerBound * size, byteCount: $0.count * size)
      }
      return
    }
    require(target.dtype.isFloatingPoint, "cast: cpu does not convert \(x.dtype) to \(target.dtype)")
    forEachBlock(x.count) { range, values in
      NumberBlocks.read(x, from: range.lowerBound, range.count, into: values)
      if out.write == .accumulate {
        let old = values + NumberBlocks.size
        NumberBlocks.read(target, from: range.lowerBound, range.count, into: old)
        store(0..<range.count, into: values, .accumulate) { old[$0] }
      }
      NumberBlocks.write(values, range.count, into: target, from: range.lowerBound)
    }
  }

  /// Calls `body` for consecutive blocks of at most `size` elements that make up `0..<count`, in parallel, lending each
  /// room for twice `NumberBlocks.size` numbers.
  @inline(__always)
  func forEachBlock(_ count: Int, of size: Int = NumberBlocks.size, _ body: (Range<Int>, Floats) -> Void) {
    forEachChunk(count) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * NumberBlocks.size) { scratch in
        guard let values = scratch.baseAddress else { return }
        for start in stride(from: range.lowerBound, to: range.upperBound, by: size) {
          body(start..<min(start + size, range.upperBound), values)
        }
      }
    }
  }
}

/// Blocks of numbers of any type, read and written as Float32.
enum NumberBlocks {
  /// The numbers of a whole block: few enough that they stay in the fastest cache.
  static var size: Int { 2048 }

  /// Reads `count` elements from element `start` on as Float32.
  static func read(_ x: Tensor, from start: Int, _ count: Int, into out: Floats) {
    switch x.dtype {
    case .float32: out.update(from: Floats(address: x.address) + start, count: count)
    case .float16: widen(UnsafeMutablePointer<UInt16>(address: x.address) + start, count, out) { Float(halfBits: $0) }
    case .bfloat16:
      widen(UnsafeMutablePointer<UInt16>(address: x.address) + start, count, out) { BFloat16(bits: $0).float }
    case .int32: widen(UnsafeMutablePointer<Int32>(address: x.address) + start, count, out) { Float($0) }
    case .uint8: widen(UnsafeMutablePointer<UInt8>(address: x.address) + start, count, out) { Float($0) }
    }
  }

  /// Rounds `count` numbers to the floating-point type of `out`, from its element `start` on.
  static func write(_ values: Floats, _ count: Int, into out: Tensor, from start: Int) {
    if out.dtype == .float32 { return (Floats(address: out.address) + start).update(from: values, count: count) }
    let target = UnsafeMutablePointer<UInt16>(address: out.address) + start
    if out.dtype == .float16 {
      for i in 0..<count { target[i] = values[i].halfBits }
    } else {
      for i in 0..<count { target[i] = BFloat16(values[i]).bits }
    }
  }

  @inline(__always)
  private static func widen<Bits>(
    _ source: UnsafeMutablePointer<Bits>, _ count: Int, _ out: Floats, _ convert: (Bits) -> Float
  ) {
    for i in 0..<count { out[i] = convert(source[i]) }
  }
}
