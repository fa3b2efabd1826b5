import Foundation
import Tensor

extension Reference {
  /// Uniform numbers: the upper 24 bits of every word of the stream, exactly.
  static func uniforms(_ count: Int, _ stream: RandomStream, draw: Int32) -> [Bounded] {
    words(count, stream, draw).prefix(count).map { Bounded(Double($0 >> 8) / 16_777_216) }
  }

  /// Normal numbers: the Box-Muller transform in double precision, rounded once.
  static func normals(_ count: Int, _ stream: RandomStream, draw: Int32) -> [Bounded] {
    let words = words(count, stream, draw)
    return (0..<count).map { i in
      let pair = i / 2 * 2
      let radius = (-2 * log((Double(words[pair]) + 0.5) / 4_294_967_296)).squareRoot()
      let angle = 2 * Double.pi * Double(words[pair + 1]) / 4_294_967_296
      let value = radius * (i % 2 == 0 ? cos(angle) : sin(angle))
      return Bounded(rounding: value, inherited: 8 * abs(radius) * Double.ulpOfOne)
    }
  }

  /// BFloat16 numbers rounded at random, element i by 16 bits of the draw: the lower half of word i / 2 where i is even,
  /// the upper half where it is odd.
  ///
  /// Rounding by given bits never turns the order of two numbers around. So where a number is uncertain, the result lies
  /// between what the ends of its range are rounded to, which are neighbours in BFloat16 or the same.
  static func roundedAtRandom(_ numbers: Values, _ stream: RandomStream, draw: Int32, first: Int) -> Values {
    let words = words((first + numbers.count + 1) / 2, stream, draw)
    return Values(
      numbers.shape,
      numbers.elements.enumerated().map { index, number in
        let word = words[(first + index) / 2]
        let noise = UInt32((first + index) % 2 == 0 ? word % 65536 : word / 65536)
        func rounded(_ number: Double) -> Double {
          Double(Float(bitPattern: (Float(number).bitPattern &+ noise) / 65536 * 65536))
        }
        let (low, high) = (rounded(number.value - number.error), rounded(number.value + number.error))
        return Bounded((low + high) / 2, error: (high - low) / 2)
      })
  }

  /// At least `count` words, rounded up to whole blocks of four.
  private static func words(_ count: Int, _ stream: RandomStream, _ draw: Int32) -> [UInt64] {
    (0..<(count + 3) / 4).flatMap { block in
      philox(
        counter: [UInt64(block) % 4_294_967_296, UInt64(block) / 4_294_967_296, UInt64(draw), UInt64(stream.stream)],
        key: [stream.seed % 4_294_967_296, stream.seed / 4_294_967_296])
    }
  }

  /// Philox 4x32-10 in 64-bit arithmetic, as in figure 1 and table 2 of Salmon et al. (2011).
  public static func philox(counter: [UInt64], key: [UInt64]) -> [UInt64] {
    let word: UInt64 = 4_294_967_296
    var (c, k) = (counter, key)
    for _ in 0..<10 {
      let (first, second) = (0xD251_1F53 * c[0], 0xCD9E_8D57 * c[2])
      c = [(second / word) ^ c[1] ^ k[0], second % word, (first / word) ^ c[3] ^ k[1], first % word]
      k = [(k[0] + 0x9E37_79B9) % word, (k[1] + 0xBB67_AE85) % word]
    }
    return c
  }
}
