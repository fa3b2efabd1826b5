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
    let blockSize = 2048
    forEachChunk(x.count) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * blockSize) { scratch in
        guard let values = scratch.baseAddress else { return }
        for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
          let count = min(blockSize, range.upperBound - start)
          HalfPrecision.read(x, from: start, count, into: values)
          if out.write == .accumulate {
            let old = values + blockSize
            HalfPrecision.read(target, from: start, count, into: old)
            store(0..<count, into: values, .accumulate) { old[$0] }
          }
          HalfPrecision.write(values, count, into: target, from: start)
        }
      }
    }
  }
}

/// Conversions between Float32 and the other types, written as integer arithmetic that the compiler vectorises on any
/// processor; its own `Float16` calls a library function for each number.
enum HalfPrecision {
  /// Reads `count` elements from element `start` on as Float32.
  static func read(_ x: Tensor, from start: Int, _ count: Int, into out: Floats) {
    switch x.dtype {
    case .float32: out.update(from: Floats(address: x.address) + start, count: count)
    case .float16: widen(UnsafeMutablePointer<UInt16>(address: x.address) + start, count, out) { float($0) }
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
      for i in 0..<count { target[i] = float16(values[i]) }
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

  /// The number with the bits of an IEEE half; exact.
  @inline(__always)
  static func float(_ bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7fff)
    // The product moves the exponent from bias 15 to bias 127 and normalises subnormal numbers by the way.
    let finite = (Float(bitPattern: magnitude << 13) * 0x1p112).bitPattern
    let pattern = magnitude >= 0x7c00 ? finite | 0x7f80_0000 : finite
    return Float(bitPattern: pattern | UInt32(bits & 0x8000) << 16)
  }

  /// The bits of the nearest IEEE half, ties to even.
  @inline(__always)
  static func float16(_ value: Float) -> UInt16 {
    let pattern = value.bitPattern
    let magnitude = pattern & 0x7fff_ffff
    let rounded = (magnitude &+ 0xfff &+ ((magnitude >> 13) & 1) &- (112 << 23)) >> 13
    // Adding ½ aligns the last bit of a subnormal half with the last bit of the sum, which rounds correctly.
    let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- (0.5 as Float).bitPattern
    var half = magnitude < 0x3880_0000 ? subnormal : rounded
    half = magnitude >= 0x477f_f000 ? 0x7c00 : half
    half = magnitude > 0x7f80_0000 ? 0x7e00 : half
    return UInt16(truncatingIfNeeded: half | (pattern >> 16) & 0x8000)
  }
}
