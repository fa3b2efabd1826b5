import CPUKernels

/// Six rows of the left operand of a product, one element of each at a time.
protocol TileOperand {
  /// Element k of a row, in all lanes. Rows are written as literals, so that the choice is made by the compiler.
  func element(_ row: Int, _ k: Int) -> Vector
}

/// Rows that lie anywhere. Addresses that are held one by one stay in registers, where a stride would be multiplied anew
/// for each element.
struct SeparateRows: TileOperand {
  private let row0, row1, row2, row3, row4, row5: ConstantFloats

  /// `count` rows that lie `stride` apart, the last of them again in place of those that are missing.
  @inline(__always)
  init(_ start: ConstantFloats, stride: Int, count: Int) {
    row0 = start
    row1 = start + min(1, count - 1) * stride
    row2 = start + min(2, count - 1) * stride
    row3 = start + min(3, count - 1) * stride
    row4 = start + min(4, count - 1) * stride
    row5 = start + min(5, count - 1) * stride
  }

  /// The first `count` rows of a list, the last of them again in place of those that are missing.
  @inline(__always)
  init(_ rows: RowPointers, count: Int, offset: Int) {
    row0 = rows[0] + offset
    row1 = rows[min(1, count - 1)] + offset
    row2 = rows[min(2, count - 1)] + offset
    row3 = rows[min(3, count - 1)] + offset
    row4 = rows[min(4, count - 1)] + offset
    row5 = rows[min(5, count - 1)] + offset
  }

  @inline(__always)
  func element(_ row: Int, _ k: Int) -> Vector {
    switch row {
    case 0: Vector(repeating: row0[k])
    case 1: Vector(repeating: row1[k])
    case 2: Vector(repeating: row2[k])
    case 3: Vector(repeating: row3[k])
    case 4: Vector(repeating: row4[k])
    default: Vector(repeating: row5[k])
    }
  }
}

/// Rows whose elements k lie side by side, in rows of another matrix that lie anywhere, from number `first` on.
struct NeighbouringRows: TileOperand {
  let columns: RowPointers
  let first: Int

  @inline(__always)
  func element(_ row: Int, _ k: Int) -> Vector { Vector(repeating: columns[k][first + row]) }
}

/// Fewer than six such rows, the last of them again in place of those that are missing.
struct FewNeighbouringRows: TileOperand {
  let columns: RowPointers
  let first: Int
  let count: Int

  @inline(__always)
  func element(_ row: Int, _ k: Int) -> Vector { Vector(repeating: columns[k][first + min(row, count - 1)]) }
}

/// Rows whose elements k lie side by side, [depth, pitch].
struct InterleavedRows: TileOperand {
  let start: ConstantFloats
  let pitch: Int

  @inline(__always)
  func element(_ row: Int, _ k: Int) -> Vector { Vector(repeating: start[k * pitch + row]) }
}

/// Fewer than six rows whose elements k lie side by side, [depth, pitch], the last of them again in place of those that
/// are missing.
struct FewInterleavedRows: TileOperand {
  let start: ConstantFloats
  let pitch: Int
  let count: Int

  @inline(__always)
  func element(_ row: Int, _ k: Int) -> Vector { Vector(repeating: start[k * pitch + min(row, count - 1)]) }
}

/// How many vectors wide a tile is. A type, since the compiler turns calls that differ in a constant into one call.
protocol TileWidth {
  static var isWide: Bool { get }
}

/// Tiles of one vector.
enum Narrow: TileWidth {
  static var isWide: Bool { false }
}

/// Tiles of two vectors.
enum Wide: TileWidth {
  static var isWide: Bool { true }
}

/// Six rows of a product. A structure of named parts stays in registers where an array would not.
struct Tile<Width: TileWidth> {
  private var left = Column()
  private var right = Column()

  /// One vector of each row.
  private struct Column {
    var row0 = Vector.zero, row1 = Vector.zero, row2 = Vector.zero
    var row3 = Vector.zero, row4 = Vector.zero, row5 = Vector.zero

    @inline(__always)
    mutating func add(_ other: Column) {
      row0 += other.row0
      row1 += other.row1
      row2 += other.row2
      row3 += other.row3
      row4 += other.row4
      row5 += other.row5
    }
  }

  static var rows: Int { 6 }

  /// Adds the products of element k of each row with one row of a panel.
  @inline(__always)
  mutating func addProducts(_ a: some TileOperand, _ k: Int, _ panelRow: ConstantFloats) {
    let b = (left: panelRow.vector(), right: Width.isWide ? panelRow.vector(at: Vector.scalarCount) : .zero)
    var x = a.element(0, k)
    addProduct(x, b.left, to: &left.row0)
    if Width.isWide { addProduct(x, b.right, to: &right.row0) }
    x = a.element(1, k)
    addProduct(x, b.left, to: &left.row1)
    if Width.isWide { addProduct(x, b.right, to: &right.row1) }
    x = a.element(2, k)
    addProduct(x, b.left, to: &left.row2)
    if Width.isWide { addProduct(x, b.right, to: &right.row2) }
    x = a.element(3, k)
    addProduct(x, b.left, to: &left.row3)
    if Width.isWide { addProduct(x, b.right, to: &right.row3) }
    x = a.element(4, k)
    addProduct(x, b.left, to: &left.row4)
    if Width.isWide { addProduct(x, b.right, to: &right.row4) }
    x = a.element(5, k)
    addProduct(x, b.left, to: &left.row5)
    if Width.isWide { addProduct(x, b.right, to: &right.row5) }
  }

  /// Adds another tile.
  @inline(__always)
  mutating func add(_ other: Tile<Width>) {
    left.add(other.left)
    if Width.isWide { right.add(other.right) }
  }

  /// Passes on the first `count` rows, of which the first is row `first` of the product.
  @inline(__always)
  func pass<Sink: RowSink>(rows count: Int, first: Int, to sink: inout Sink) {
    sink.take(first, left.row0, right.row0, of: Width.self)
    if count > 1 { sink.take(first + 1, left.row1, right.row1, of: Width.self) }
    if count > 2 { sink.take(first + 2, left.row2, right.row2, of: Width.self) }
    if count > 3 { sink.take(first + 3, left.row3, right.row3, of: Width.self) }
    if count > 4 { sink.take(first + 4, left.row4, right.row4, of: Width.self) }
    if count > 5 { sink.take(first + 5, left.row5, right.row5, of: Width.self) }
  }

  /// Calls `body` with the number and the two vectors of the first `count` rows.
  @inline(__always)
  func forEachRow(_ count: Int, _ body: (Int, Vector, Vector) -> Void) {
    body(0, left.row0, right.row0)
    if count > 1 { body(1, left.row1, right.row1) }
    if count > 2 { body(2, left.row2, right.row2) }
    if count > 3 { body(3, left.row3, right.row3) }
    if count > 4 { body(4, left.row4, right.row4) }
    if count > 5 { body(5, left.row5, right.row5) }
  }
}

/// Rows of memory that tiles are stored in, and what is added to them.
protocol TileTarget {
  /// At most two vectors.
  var columns: Int { get }
  /// What each column begins with.
  var bias: ConstantFloats? { get }
  var write: Write { get }
  /// Where the first column of a row lies.
  func row(_ index: Int) -> Floats
}

extension TileTarget {
  /// Asks for the memory of the first `count` rows, which is needed once the sums are complete.
  @inline(__always)
  func prefetchRows(_ count: Int) {
    for index in 0..<count {
      prefetch(row(index))
      prefetch(row(index) + columns - 1)
    }
  }

  /// Stores the first `count` rows of a tile from row `first` on.
  ///
  /// Whole tiles are stored from their registers. Others go through memory, to a function that takes any extent.
  @inline(__always)
  func store<Width>(_ tile: Tile<Width>, _ first: Int, _ count: Int) {
    let width = Vector.scalarCount
    if !Width.isWide || columns < 2 * width || count < Tile<Width>.rows { return storePart(tile, first, count) }
    let (left, right) = (bias?.vector() ?? .zero, bias?.vector(at: width) ?? .zero)
    switch write {
    case .overwrite:
      tile.forEachRow(Tile<Width>.rows) { index, leftSums, rightSums in
        let to = row(first + index)
        to.store(leftSums + left)
        to.store(rightSums + right, at: width)
      }
    case .accumulate:
      tile.forEachRow(Tile<Width>.rows) { index, leftSums, rightSums in
        let to = row(first + index)
        to.store(leftSums + left + ConstantFloats(to).vector())
        to.store(rightSums + right + ConstantFloats(to).vector(at: width), at: width)
      }
    }
  }

  @inline(never)
  private func storePart<Width>(_ tile: Tile<Width>, _ first: Int, _ count: Int) {
    let width = Vector.scalarCount
    tile.forEachRow(count) { index, left, right in
      add(left, row(first + index), 0, min(columns, width))
      if Width.isWide { add(right, row(first + index), width, columns - width) }
    }
  }

  @inline(__always)
  private func add(_ vector: Vector, _ to: Floats, _ column: Int, _ count: Int) {
    var sum = vector
    if let bias { sum += bias.vector(at: column, count: count) }
    if write == .accumulate { sum += ConstantFloats(to).vector(at: column, count: count) }
    to.store(sum, at: column, count: count)
  }
}

/// Rows at equal distances.
struct EvenRows: TileTarget {
  let start: Floats
  let stride: Int
  let columns: Int
  let bias: ConstantFloats?
  let write: Write

  @inline(__always)
  func row(_ index: Int) -> Floats { start + index * stride }
}
