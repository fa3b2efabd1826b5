import COpenBLAS
import Glibc

/// Single-precision matrix products by OpenBLAS, always on the calling thread.
///
/// Work is shared out by this project's own threads: those of OpenBLAS keep spinning for a while after every call and
/// would compete with them.
enum OpenBLAS {
  /// Readies the library. Runs once, before the first product.
  static let prepared: Void = {
    correctDetection()
    openblas_set_num_threads(1)
  }()

  /// C ← alpha · A B + beta · C, where A is [m, k], B is [k, n] and C is [m, n].
  @inline(__always)
  static func product(
    m: Int, n: Int, k: Int, _ a: StridedMatrix, _ b: StridedMatrix, alpha: Float = 1, beta: Float,
    into c: StridedMatrix
  ) {
    cblas_sgemm(
      CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), alpha, a.start, blasint(a.stride), b.start, blasint(b.stride), beta,
      c.start, blasint(c.stride))
  }
}

// MARK: - Choice of the library's kernels

extension OpenBLAS {
  /// The processor the library takes this one for.
  static var processorName: String { String(cString: openblas_get_corename()) }

  /// Gives processors with AVX-512 that the library takes for older ones, such as AMD's Zen 5, the kernels they can
  /// run, which are twice as fast. A choice made by the user stands.
  private static func correctDetection() {
    let choice = "OPENBLAS_CORETYPE"
    guard getenv(choice) == nil, ["Haswell", "Zen"].contains(processorName), InstructionSet.best == .v4 else { return }
    typealias Call = @convention(c) () -> Void
    // Only libraries that hold kernels for several processors have these two.
    guard let stop = dlsym(nil, "gotoblas_dynamic_quit"), let start = dlsym(nil, "gotoblas_dynamic_init") else {
      return
    }
    setenv(choice, "SkylakeX", 1)
    unsafeBitCast(stop, to: Call.self)()
    unsafeBitCast(start, to: Call.self)()
    unsetenv(choice)
  }
}

/// A matrix in memory whose neighbouring rows, as stored, lie `stride` elements apart.
struct StridedMatrix {
  let start: Floats
  let stride: Int
  let isTransposed: Bool

  /// The matrix that begins at `start`; `transposed` says that its columns are stored as rows.
  @inline(__always)
  init(_ start: Floats, stride: Int, transposed: Bool = false) {
    self.start = start
    self.stride = max(stride, 1)
    isTransposed = transposed
  }

  /// The matrix read the other way round.
  @inline(__always)
  var transposed: StridedMatrix { StridedMatrix(start, stride: stride, transposed: !isTransposed) }

  /// Where an element is stored.
  @inline(__always)
  func address(row: Int, column: Int) -> Floats {
    isTransposed ? start + column * stride + row : start + row * stride + column
  }

  /// The matrix that begins at an element of this one.
  func part(row: Int, column: Int) -> StridedMatrix {
    StridedMatrix(address(row: row, column: column), stride: stride, transposed: isTransposed)
  }
}
