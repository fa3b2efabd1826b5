// Swift's own conversions between Float and Float16 are library calls on baseline x86-64; these are a few instructions
// that compilers turn into vector code.

extension Float {
  /// The number that the bits of an IEEE half stand for; exact.
  @inline(__always)
  init(halfBits bits: UInt16) {
    let magnitude = UInt32(bits & 0x7fff)
    // The product moves the exponent from bias 15 to bias 127 and normalises subnormal numbers by the way.
    let finite = (Float(bitPattern: magnitude << 13) * 0x1p112).bitPattern
    let pattern = magnitude >= 0x7c00 ? finite | 0x7f80_0000 : finite
    self.init(bitPattern: pattern | UInt32(bits & 0x8000) << 16)
  }

  /// The bits of the nearest IEEE half, ties to even.
  @inline(__always)
  var halfBits: UInt16 {
    let magnitude = bitPattern & 0x7fff_ffff
    let rounded = (magnitude &+ 0xfff &+ ((magnitude >> 13) & 1) &- (112 << 23)) >> 13
    // Adding ½ aligns the last bit of a subnormal half with the last bit of the sum, which rounds correctly.
    let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- (0.5 as Float).bitPattern
    var half = magnitude < 0x3880_0000 ? subnormal : rounded
    half = magnitude >= 0x477f_f000 ? 0x7c00 : half
    half = magnitude > 0x7f80_0000 ? 0x7e00 : half
    return UInt16(truncatingIfNeeded: half | (bitPattern >> 16) & 0x8000)
  }
}
