/// Conversions between types.
public protocol ConversionKernels: SendableMetatype {
  /// Widens `count` IEEE halves.
  static func widenHalves(_ x: UnsafePointer<UInt16>, count: Int, into out: Floats)

  /// Rounds `count` numbers to the nearest IEEE halves, ties to even.
  static func roundToHalves(_ x: ConstantFloats, count: Int, into out: UnsafeMutablePointer<UInt16>)

  /// Widens `count` numbers of BFloat16.
  static func widenBFloats(_ x: UnsafePointer<UInt16>, count: Int, into out: Floats)

  /// Rounds `count` numbers to the nearest of BFloat16, ties to even.
  static func roundToBFloats(_ x: ConstantFloats, count: Int, into out: UnsafeMutablePointer<UInt16>)
}
