import Foundation

/// One block of Philox 4x32 with ten rounds: four random words from a key and a counter.
///
/// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
enum Philox {
  /// The 128-bit block of random bits that belongs to `counter` under `key`.
  @inline(__always)
  static func block(counter: SIMD4<UInt32>, key: UInt64) -> SIMD4<UInt32> {
    var counter = counter
    var key0 = UInt32(truncatingIfNeeded: key)
    var key1 = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      let product0 = UInt64(counter.x) &* 0xD251_1F53
      let product1 = UInt64(counter.z) &* 0xCD9E_8D57
      counter = SIMD4(
        UInt32(truncatingIfNeeded: product1 >> 32) ^ counter.y ^ key0,
        UInt32(truncatingIfNeeded: product1),
        UInt32(truncatingIfNeeded: product0 >> 32) ^ counter.w ^ key1,
        UInt32(truncatingIfNeeded: product0))
      key0 &+= 0x9E37_79B9
      key1 &+= 0xBB67_AE85
    }
    return counter
  }
}

/// The numbers of a stream, made on the host; every device's kernels follow the same definition.
///
/// Element `i` of draw `d` depends on the seed, the stream, `d` and `i` alone, so any part of it can be made at any
/// time, in any order and on any device. Elements `4b` to `4b + 3` come from the four words of the Philox block with
/// key `seed` and counter `[b low, b high, d, stream]`.
///
/// - A uniform is `(word >> 8) / 2²⁴`: in [0, 1), exact in Float32.
/// - A pair of normals comes from one pair of words by the Box-Muller transform in Float64,
///   `√(-2 ln((word₀ + ½) / 2³²))` times the cosine (even element) and the sine (odd element) of `2π · word₁ / 2³²`,
///   rounded once to Float32.
extension RandomStream {
  /// The first `count` uniforms in [0, 1) of a draw.
  public func uniforms(_ count: Int, draw: UInt32) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      fillUniforms(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), draw: draw)
      initializedCount = count
    }
  }

  /// The first `count` standard normals of a draw.
  public func normals(_ count: Int, draw: UInt32) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      fillNormals(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), draw: draw)
      initializedCount = count
    }
  }

  /// Writes uniforms over the whole of `buffer`, which begins with element `first` of the draw.
  public func fillUniforms(_ buffer: UnsafeMutableBufferPointer<Float>, draw: UInt32, first: Int = 0) {
    forEachBlock(of: buffer.count, draw: draw, first: first) { index, lanes, words in
      for lane in lanes { buffer[index + lane - lanes.lowerBound] = Float(words[lane] >> 8) * 0x1p-24 }
    }
  }

  /// Writes standard normals over the whole of `buffer`, which begins with element `first` of the draw.
  public func fillNormals(_ buffer: UnsafeMutableBufferPointer<Float>, draw: UInt32, first: Int = 0) {
    forEachBlock(of: buffer.count, draw: draw, first: first) { index, lanes, words in
      let normals = Self.normals(from: words)
      for lane in lanes { buffer[index + lane - lanes.lowerBound] = normals[lane] }
    }
  }

  /// Visits the blocks that overlap elements `first ..< first + count` of a draw.
  ///
  /// `body` receives the position in the output of its first element, the lanes that are wanted and the four words.
  @inline(__always)
  private func forEachBlock(
    of count: Int, draw: UInt32, first: Int, _ body: (Int, Range<Int>, SIMD4<UInt32>) -> Void
  ) {
    var block = UInt64(first / 4)
    var firstLane = first % 4
    var index = 0
    while index < count {
      let lanes = firstLane..<min(4, firstLane + count - index)
      let counter = SIMD4(
        UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), draw, stream)
      body(index, lanes, Philox.block(counter: counter, key: seed))
      index += lanes.count
      block += 1
      firstLane = 0
    }
  }

  /// The four normals of one block.
  @inline(__always)
  private static func normals(from words: SIMD4<UInt32>) -> SIMD4<Float> {
    let (even0, odd0) = boxMuller(words.x, words.y)
    let (even1, odd1) = boxMuller(words.z, words.w)
    return SIMD4(even0, odd0, even1, odd1)
  }

  /// Two independent normals from two words.
  @inline(__always)
  private static func boxMuller(_ radiusWord: UInt32, _ angleWord: UInt32) -> (cosine: Float, sine: Float) {
    let radius = (-2 * log((Double(radiusWord) + 0.5) * 0x1p-32)).squareRoot()
    let angle = 2 * Double.pi * (Double(angleWord) * 0x1p-32)
    return (Float(radius * cos(angle)), Float(radius * sin(angle)))
  }
}
