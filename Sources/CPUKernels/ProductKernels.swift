/// Products of matrices whose right operand has been put in order: `packPanels` first, then `multiply`.
///
/// The right operand is cut into panels of `tileColumns` columns, each of which lies in one piece, so that the inner
/// loop reads it from front to back (K. Goto, R. van de Geijn, Anatomy of high-performance matrix multiplication, 2008).
/// Each element of the result is one sum in the order of the depth, wherever the result is cut: who shares the work out
/// differently gets the same bytes.
public protocol ProductKernels: SendableMetatype {
  /// The rows of the result that are computed at once.
  static var tileRows: Int { get }
  /// The columns of a panel.
  static var tileColumns: Int { get }

  /// Puts `columns` columns of a matrix [depth, columns] in order. Panel p, [depth, tileColumns], gets columns from
  /// p · tileColumns on, and zeros beyond the last.
  ///
  /// - Parameters:
  ///   - stride: the distance between rows, or between columns where `isTransposed` says that columns lie in one piece.
  static func packPanels(
    _ b: ConstantFloats, stride: Int, isTransposed: Bool, depth: Int, columns: Int, into panels: Floats)

  /// C [rows, columns] = A [rows, depth] · B [depth, columns], for an A whose rows lie in one piece each.
  ///
  /// - Parameters:
  ///   - a: the address of each row, [rows].
  ///   - offset: where the depth begins in each row.
  ///   - panels: B in order.
  ///   - stride: the distance between rows of C.
  ///   - bias: what each column begins with, [columns].
  ///   - upcoming: what the caller reads next, which is brought into the cache meanwhile.
  static func multiply(
    rows a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write, before upcoming: UpcomingRows)

  /// C [rows, columns] = Aᵀ B for A [depth, rows], whose columns are the rows of the product.
  ///
  /// - Parameters:
  ///   - a: the address of each of A's rows, [depth].
  ///   - offset: where the first row of the product is found in each of them.
  ///   - bias: what each column begins with, [columns].
  ///   - upcoming: what the caller reads next, which is brought into the cache meanwhile.
  static func multiply(
    columns a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write, before upcoming: UpcomingRows)

  /// C [rows, columns] = A [rows, depth] · Bᵀ for dense rows of B [columns, depth] that are read once, where they lie.
  /// This suits a few rows of A, for which nothing is worth putting in order.
  ///
  /// - Parameters:
  ///   - stride: the distance between rows of C.
  ///   - bias: what each column begins with, [columns].
  static func multiplyRows(
    _ a: ConstantFloats, rows: Int, _ b: ConstantFloats, columns: Int, depth: Int, into c: Floats, stride: Int,
    bias: ConstantFloats?, _ write: Write)

  /// C [rows, columns] = A [rows, depth] · B [depth, columns], whose rows are read once, where they lie. This suits a
  /// few rows of A, or a depth of a few elements.
  ///
  /// - Parameters:
  ///   - rowStride: the distance between rows of A.
  ///   - depthStride: the distance between neighbours in a row of A.
  ///   - stride: the distance between rows of B.
  ///   - outStride: the distance between rows of C.
  ///   - bias: what each column begins with, [columns].
  static func combineRows(
    _ a: ConstantFloats, rows: Int, rowStride: Int, depth: Int, depthStride: Int, _ b: ConstantFloats, stride: Int,
    columns: Int, into c: Floats, stride outStride: Int, bias: ConstantFloats?, _ write: Write)

  /// Writes a matrix [rows, columns] as [columns, rows], or adds it.
  ///
  /// - Parameters:
  ///   - stride: the distance between rows of the matrix.
  ///   - outStride: the distance between rows of the result.
  ///   - bias: what each column of the result begins with, [rows].
  static func transpose(
    _ x: ConstantFloats, stride: Int, rows: Int, columns: Int, into out: Floats, stride outStride: Int,
    bias: ConstantFloats?, _ write: Write)
}

extension ProductKernels {
  /// C [rows, columns] = A · B with nothing to be read next.
  public static func multiply(
    rows a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, bias: ConstantFloats?, _ write: Write
  ) {
    multiply(
      rows: a, offset: offset, rowCount: rowCount, depth: depth, panels: panels, columns: columns, into: c,
      stride: stride, bias: bias, write, before: .none)
  }

  /// C [rows, columns] = Aᵀ B without a bias and with nothing to be read next.
  public static func multiply(
    columns a: RowPointers, offset: Int, rowCount: Int, depth: Int, panels: ConstantFloats, columns: Int,
    into c: Floats, stride: Int, _ write: Write
  ) {
    multiply(
      columns: a, offset: offset, rowCount: rowCount, depth: depth, panels: panels, columns: columns, into: c,
      stride: stride, bias: nil, write, before: .none)
  }
}
