/// The 32-bit Mersenne Twister mt19937, with the initialisation of its authors' 2002 version.
///
/// M. Matsumoto, T. Nishimura, "Mersenne Twister: A 623-Dimensionally Equidistributed Uniform Pseudo-Random Number
/// Generator", ACM TOMACS 8 (1998).
struct MersenneTwister: Sendable {
  private static let stateCount = 624
  private static let middle = 397

  private var state: [UInt32]
  private var next = stateCount

  /// A generator in the state that `seed` leads to.
  init(seed: UInt32) {
    state = [UInt32](repeating: 0, count: Self.stateCount)
    state[0] = seed
    for index in 1..<Self.stateCount {
      let previous = state[index - 1]
      state[index] = 1_812_433_253 &* (previous ^ (previous >> 30)) &+ UInt32(index)
    }
  }

  /// The next 32 random bits.
  mutating func random() -> UInt32 {
    if next == Self.stateCount { renewState() }
    var word = state[next]
    next += 1
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C_5680
    word ^= (word << 15) & 0xEFC6_0000
    word ^= word >> 18
    return word
  }

  /// The next 64 random bits; the first word drawn is the upper half.
  mutating func random64() -> UInt64 {
    let upper = UInt64(random())
    return upper << 32 | UInt64(random())
  }

  private mutating func renewState() {
    state.withUnsafeMutableBufferPointer { state in
      for index in 0..<Self.stateCount {
        let joined = state[index] & 0x8000_0000 | state[(index + 1) % Self.stateCount] & 0x7FFF_FFFF
        let matrix: UInt32 = joined & 1 == 0 ? 0 : 0x9908_B0DF
        state[index] = state[(index + Self.middle) % Self.stateCount] ^ (joined >> 1) ^ matrix
      }
    }
    next = 0
  }
}
