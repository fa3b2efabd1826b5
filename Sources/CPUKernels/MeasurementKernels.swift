/// Work that shows what a processor can do at best.
public protocol MeasurementKernels: SendableMetatype {
  /// The multiplications and additions in a round of `multiplyAndAdd`, each counted as one.
  static var operationsInRound: Int { get }

  /// Multiplies and adds as fast as the instruction set allows: in registers alone, and in so many chains that none is
  /// waited for.
  ///
  /// - Parameter result: gets a number that depends on all of them, so that none can be left out.
  static func multiplyAndAdd(rounds: Int, into result: Floats)
}
