/// Two matrices of low rank whose product is as near to a third as such a product can be.
public struct LowRankFactors: Sendable {
  /// [rows, rank]: left singular vectors times the roots of their singular values.
  public let left: Tensor
  /// [rank, columns]: right singular vectors times the roots of their singular values.
  public let right: Tensor
}

extension Tensor {
  /// The factors of a Float32 matrix [rows, columns] by its truncated singular value decomposition.
  ///
  /// The space of the largest singular values is found by iterating on a random one (Halko, Martinsson and Tropp, 2011),
  /// a few dimensions wider than wanted. Where the matrix has no more than that rank the product is the matrix itself, but
  /// for rounding. Equal matrices give equal factors.
  ///
  /// - Parameter rank: at least 1; of no use beyond the smaller extent.
  public func lowRankFactors(rank: Int) -> LowRankFactors {
    requireRank(2, "lowRankFactors")
    require(dtype == .float32 && count > 0 && rank > 0, "lowRankFactors: \(shape) of \(dtype) by rank \(rank)")
    let rank = min(rank, shape[0], shape[1])
    let width = min(rank + LowRankSpace.oversampling, shape[0], shape[1])
    let space = LowRankSpace(of: self, width: width)
    // The space's rows Q are orthonormal, so the singular values of A are those of B = Q A, and of these the left singular
    // vectors are the eigenvectors of B Bᵀ.
    let inside = space.basis.linear(space.transposed, bias: nil)
    let (values, vectors) = SymmetricMatrix(productOfRows: inside.floats(), count: width).eigenvectors()
    var (leftTurn, rightTurn): ([Float], [Float]) = ([], [])
    for index in 0..<rank {
      let root = max(values[index], 0).squareRoot().squareRoot()
      leftTurn += vectors[index].map { Float($0 * root) }
      rightTurn += vectors[index].map { root > 0 ? Float($0 / root) : 0 }
    }
    // Both are products with transposed second operands, [rank, width] x [..., width]ᵀ.
    let left = Tensor(leftTurn, [rank, width], on: backend).linear(space.basis.transposed([1, 0]), bias: nil)
    let right = Tensor(rightTurn, [rank, width], on: backend).linear(inside.transposed([1, 0]), bias: nil)
    return LowRankFactors(left: left.transposed([1, 0]), right: right)
  }
}

/// A space that holds the directions in which a matrix A [rows, columns] is longest.
private struct LowRankSpace {
  /// How much wider the space is than what is taken from it.
  static let oversampling = 16
  /// How often A and its transpose are applied; each time multiplies the lead of the longer directions.
  private static let iterations = 4

  /// Orthonormal rows, [width, rows].
  let basis: Tensor
  /// [columns, rows].
  let transposed: Tensor

  init(of matrix: Tensor, width: Int) {
    let backend = matrix.backend
    let random = RandomStream(seed: 0, stream: 0x7261_6e6b)  // "rank"
    var rows = Tensor.normal([width, matrix.shape[1]], random, draw: Tensor([Int32(0)], [], on: backend))
    transposed = matrix.transposed([1, 0])
    for _ in 0..<Self.iterations {
      let image = orthonormalRows(rows.linear(matrix, bias: nil))
      rows = orthonormalRows(image.linear(transposed, bias: nil))
    }
    basis = orthonormalRows(rows.linear(matrix, bias: nil))
  }
}

/// The rows of a matrix made orthonormal, in order, by Gram and Schmidt's method; those that depend on earlier ones
/// become zero.
private func orthonormalRows(_ matrix: Tensor) -> Tensor {
  var numbers: [Float] = matrix.array()
  let (count, length) = (matrix.shape[0], matrix.shape[1])
  numbers.withUnsafeMutableBufferPointer { all in
    func row(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
      UnsafeMutableBufferPointer(rebasing: all[index * length..<(index + 1) * length])
    }
    for current in 0..<count {
      let before = dot(row(current), row(current)).squareRoot()
      // Twice, since what the first time leaves of the others is as large as its rounding errors.
      for earlier in Array(0..<current) + Array(0..<current) {
        let share = dot(row(earlier), row(current))
        let (target, source) = (row(current), row(earlier))
        for index in 0..<length { target[index] -= share * source[index] }
      }
      let after = dot(row(current), row(current)).squareRoot()
      // What is left of a row that depends on the others is rounding.
      let factor = after > 1e-6 * before ? 1 / after : 0
      for index in 0..<length { row(current)[index] *= factor }
    }
  }
  return Tensor(numbers, matrix.shape, on: matrix.backend)
}

/// Σ xᵢ yᵢ in eight sums side by side.
private func dot(_ x: UnsafeMutableBufferPointer<Float>, _ y: UnsafeMutableBufferPointer<Float>) -> Float {
  var sums = SIMD8<Float>()
  let whole = x.count / 8 * 8
  let (a, b) = (UnsafeRawBufferPointer(x), UnsafeRawBufferPointer(y))
  for index in stride(from: 0, to: whole, by: 8) {
    let place = index * MemoryLayout<Float>.stride
    sums +=
      a.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)
      * b.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)
  }
  var sum = sums.sum()
  for index in whole..<x.count { sum += x[index] * y[index] }
  return sum
}

/// A small symmetric matrix.
private struct SymmetricMatrix {
  private let count: Int
  private var numbers: [[Double]]

  /// B Bᵀ of a matrix B of `count` rows.
  init(productOfRows rows: [Float], count: Int) {
    self.count = count
    let length = rows.count / max(count, 1)
    numbers = Array(repeating: Array(repeating: 0, count: count), count: count)
    for i in 0..<count {
      for j in 0...i {
        var sum = 0.0
        for k in 0..<length { sum += Double(rows[i * length + k]) * Double(rows[j * length + k]) }
        (numbers[i][j], numbers[j][i]) = (sum, sum)
      }
    }
  }

  /// The eigenvalues, largest first, and the eigenvectors, by rotations after Jacobi.
  func eigenvectors() -> (values: [Double], vectors: [[Double]]) {
    var a = numbers
    var vectors = (0..<count).map { row in (0..<count).map { $0 == row ? 1.0 : 0 } }
    let size = a.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } }
    for _ in 0..<Self.sweeps {
      var rest = 0.0
      for p in 0..<count { for q in 0..<p { rest += a[p][q] * a[p][q] } }
      if rest <= size * 1e-30 { break }
      for p in 0..<count { for q in p + 1..<max(count, p + 1) { Self.rotate(&a, &vectors, p, q) } }
    }
    let order = (0..<count).sorted { (a[$1][$1], $0) < (a[$0][$0], $1) }
    return (order.map { a[$0][$0] }, order.map { vectors[$0] })
  }

  /// More than any matrix has needed: the rest falls quadratically.
  private static let sweeps = 60

  /// Turns the axes p and q so that the element between them becomes zero (Golub and Van Loan, algorithm 8.4.1).
  private static func rotate(_ a: inout [[Double]], _ vectors: inout [[Double]], _ p: Int, _ q: Int) {
    guard a[p][q] != 0 else { return }
    let tau = (a[q][q] - a[p][p]) / (2 * a[p][q])
    let t = (tau >= 0 ? 1.0 : -1) / (abs(tau) + (1 + tau * tau).squareRoot())
    let c = 1 / (1 + t * t).squareRoot()
    let s = t * c
    for k in a.indices { (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]) }
    for k in a.indices { (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]) }
    for k in a.indices {
      (vectors[p][k], vectors[q][k]) = (c * vectors[p][k] - s * vectors[q][k], s * vectors[p][k] + c * vectors[q][k])
    }
  }
}
