import CPUKernels

#if V4
  /// As many vectors as a vector has lanes.
  typealias Square = InlineArray<16, Vector>
#elseif V3
  /// As many vectors as a vector has lanes.
  typealias Square = InlineArray<8, Vector>
#else
  /// As many vectors as a vector has lanes.
  typealias Square = InlineArray<4, Vector>
#endif

/// Calls `body` with the number and the elements of each column of a block of at most one vector's width and height.
///
/// Rows lie `stride` numbers apart. The elements of rows that the block lacks are zeros.
@inline(__always)
func forEachColumn(
  of start: ConstantFloats, stride: Int, rows: Int, columns: Int, _ body: (Int, Vector) -> Void
) {
  if rows == Vector.scalarCount && columns == Vector.scalarCount {
    var square = Square.zero
    for row in 0..<Vector.scalarCount { square[row] = (start + row * stride).vector() }
    square = square.transposed
    for column in 0..<Vector.scalarCount { body(column, square[column]) }
  } else {
    var square = Square.zero
    for row in 0..<Vector.scalarCount where row < rows {
      square[row] = (start + row * stride).vector(count: columns)
    }
    square = square.transposed
    for column in 0..<Vector.scalarCount where column < columns { body(column, square[column]) }
  }
}

extension Square {
  /// Zeros. The initialiser with a repeated value would be code of the standard library, which modules share.
  @inline(__always)
  fileprivate static var zero: Square {
    let z = Vector.zero
    #if V4
      return [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
    #elseif V3
      return [z, z, z, z, z, z, z, z]
    #else
      return [z, z, z, z]
    #endif
  }

  /// The same numbers with rows and columns exchanged.
  ///
  /// Interleaving row i with row i + n/2 moves every element whose row and column together read r₁…rₘ c₁…cₘ in binary
  /// to r₂…rₘ c₁…cₘ r₁. After m = log₂ n rounds rows and columns have changed places.
  @inline(__always)
  fileprivate var transposed: Square {
    #if V4
      interleaved.interleaved.interleaved.interleaved
    #elseif V3
      interleaved.interleaved.interleaved
    #else
      interleaved.interleaved
    #endif
  }

  @inline(__always)
  private var interleaved: Square {
    let half = Vector.scalarCount / 2
    var result = Square.zero
    for row in 0..<half {
      var (low, high) = (Vector.zero, Vector.zero)
      low.evenHalf = self[row].lowHalf
      low.oddHalf = self[row + half].lowHalf
      high.evenHalf = self[row].highHalf
      high.oddHalf = self[row + half].highHalf
      result[2 * row] = low
      result[2 * row + 1] = high
    }
    return result
  }
}
