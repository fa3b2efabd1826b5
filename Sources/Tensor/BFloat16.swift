/// The upper half of a `Float`: 8 exponent bits, 7 fraction bits. Swift has no such type of its own.
public struct BFloat16: BitwiseCopyable, Sendable, Hashable {
  /// The sixteen bits as stored.
  public var bits: UInt16

  /// Reads the sixteen bits of a stored number.
  @inlinable
  public init(bits: UInt16) {
    self.bits = bits
  }

  /// Rounds to the nearest representable number, ties to even, as PyTorch does.
  @inlinable
  public init(_ value: Float) {
    let pattern = value.bitPattern
    let roundingBias = 0x7fff &+ ((pattern >> 16) & 1)
    bits = value.isNaN ? 0x7fc0 : UInt16(truncatingIfNeeded: (pattern &+ roundingBias) >> 16)
  }

  /// The same number in single precision; exact.
  @inlinable
  public var float: Float { Float(bitPattern: UInt32(bits) << 16) }
}
