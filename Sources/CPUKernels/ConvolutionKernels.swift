/// Addresses of rows of numbers that are written. Rows may lie anywhere.
public typealias MutableRowPointers = UnsafePointer<UnsafeMutablePointer<Float>>

/// Products whose rows are the pixels of pictures.
public protocol ConvolutionKernels: SendableMetatype {
  /// C [rows, columns] += Σ over taps and depth of A [rows, taps, depth] · B [taps · depth, columns], for an A whose
  /// rows lie in one piece for each tap, and a C whose rows lie anywhere.
  ///
  /// - Parameters:
  ///   - a: the address of each row, [taps, rows].
  ///   - offset: where the depth begins in each row of A.
  ///   - panels: B in order, as `packPanels` puts it.
  ///   - c: the address of each row, [rows].
  ///   - column: where the first column is found in each row of C.
  static func addProducts(
    rows a: RowPointers, offset: Int, rowCount: Int, taps: Int, depth: Int, panels: ConstantFloats, columns: Int,
    to c: MutableRowPointers, at column: Int)
}
