public import CPUKernels

extension Kernels {
  /// Codes of numbers; see `OptimizerKernels`.
  public static func quantize(
    _ x: ConstantFloats, factor: Float, _ codebook: QuantizationCodebook, count: Int,
    into codes: UnsafeMutablePointer<UInt8>
  ) {
    let (firstCodes, upperEnds) = (codebook.firstCodes, codebook.upperEnds)
    for i in 0..<count {
      let number = x[i] * factor
      let code = firstCodes[Int(number.bitPattern >> 16)]
      codes[i] = number > upperEnds[Int(code)] ? code + 1 : code
    }
  }

  /// Numbers of codes; see `OptimizerKernels`.
  public static func dequantize(
    _ codes: UnsafePointer<UInt8>, scale: Float, _ codebook: QuantizationCodebook, count: Int, into out: Floats
  ) {
    let values = codebook.values
    for i in 0..<count { out[i] = values[Int(codes[i])] * scale }
  }

  /// Stochastic rounding; see `OptimizerKernels`.
  public static func roundAtRandom(
    _ x: ConstantFloats, _ counter: PhiloxCounter, count: Int, into out: UnsafeMutablePointer<UInt16>
  ) {
    // One loop for the noise and one for the numbers: a single one would have too many short ends to be fast.
    let blocks = (count + PhiloxBlocks.halfWords - 1) / PhiloxBlocks.halfWords
    withUnsafeTemporaryAllocation(byteCount: 2 * blocks * PhiloxBlocks.halfWords, alignment: 64) { memory in
      let noise = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt16.self)
      for block in 0..<blocks {
        let start = block * PhiloxBlocks.halfWords
        PhiloxBlocks(counter, after: start / 8).store(into: noise + start)
      }
      for i in 0..<count { out[i] = rounded(x[i], noise: noise[i]) }
    }
  }

  @inline(__always)
  private static func rounded(_ number: Float, noise: UInt16) -> UInt16 {
    let bits = number.bitPattern
    let magnitude = bits & 0x7fff_ffff
    let finite = UInt16(truncatingIfNeeded: (bits &+ UInt32(noise)) >> 16)
    let infinite = UInt16(truncatingIfNeeded: bits >> 16)
    return magnitude < 0x7f80_0000 ? finite : magnitude == 0x7f80_0000 ? infinite : 0x7fc0
  }
}

/// Eight consecutive blocks of Philox 4x32-10, side by side. Each of the four words takes a lane of 64 bits, which holds
/// the products of words.
private struct PhiloxBlocks {
  private var word0, word1, word2, word3: SIMD8<UInt64>

  /// The random numbers of 16 bits that they hold.
  static var halfWords: Int { 64 }

  /// The blocks from number `offset` after a given one on.
  @inline(__always)
  init(_ counter: PhiloxCounter, after offset: Int) {
    let low = SIMD8<UInt64>(repeating: 0xffff_ffff)
    let blocks = SIMD8<UInt64>(0, 1, 2, 3, 4, 5, 6, 7) &+ (counter.block &+ UInt64(offset))
    word0 = blocks & low
    word1 = blocks &>> 32
    word2 = SIMD8(repeating: UInt64(counter.draw))
    word3 = SIMD8(repeating: UInt64(counter.stream))
    var (key0, key1) = (counter.seed & 0xffff_ffff, counter.seed >> 32)
    for _ in 0..<10 {
      // Products of words below 2³², which the compiler knows only where it sees it.
      let product0 = (word0 & low) &* 0xD251_1F53
      let product1 = (word2 & low) &* 0xCD9E_8D57
      word0 = (product1 &>> 32) ^ word1 ^ key0
      word1 = product1 & low
      word2 = (product0 &>> 32) ^ word3 ^ key1
      word3 = product0 & low
      key0 = (key0 &+ 0x9E37_79B9) & 0xffff_ffff
      key1 = (key1 &+ 0xBB67_AE85) & 0xffff_ffff
    }
  }

  /// Stores the lower and the upper halves of the words of one block after the other, [64].
  @inline(__always)
  func store(into halfWords: UnsafeMutablePointer<UInt16>) {
    var words = SIMD16<UInt64>()
    words.evenHalf = word0 | word1 &<< 32
    words.oddHalf = word2 | word3 &<< 32
    UnsafeMutableRawPointer(halfWords).storeBytes(of: words, as: SIMD16<UInt64>.self)
  }
}
