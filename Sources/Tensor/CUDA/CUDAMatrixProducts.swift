import Synchronization

/// The matrix products of one GPU: descriptors and chosen algorithms.
///
/// The library's heuristic chooses from the extents, types and alignment alone, so that equal programs choose alike.
/// Only algorithms that give the same bytes every time are admitted: a sum that is cut along k is put together in
/// Float32, in a fixed order. In half types the library may round the sum before it adds a bias or what C holds.
final class CUDAMatrixProducts: Sendable {
  /// A product ready to run. The library reads the descriptors at every call.
  struct Prepared {
    fileprivate let operation: UInt
    fileprivate let layouts: (a: UInt, b: UInt, out: UInt)
    fileprivate let algorithm: BLASLibrary.Algorithm
    /// The working memory it needs, in bytes.
    let workspaceByteCount: Int
    /// How often its blocks of threads fill the GPU.
    let waves: Float
  }

  /// The most working memory of a product: what NVIDIA advises for compute capability 9.0.
  private static let workspaceLimit = 32 << 20
  /// Stands for the address of a bias while an algorithm is chosen; only its alignment matters then.
  private static let alignedAddress: UInt = 16

  private let library: BLASLibrary
  private let handle: UInt
  private let stream: UInt
  private let prepared = Mutex<[MatrixProductPlan: Prepared]>([:])

  /// Products on a stream of the current device.
  ///
  /// - Throws: `CUDALibraryError` where the library is missing or does not take the device.
  init(stream: UInt) throws(CUDALibraryError) {
    library = try BLASLibrary.shared.get()
    self.stream = stream
    var handle: UInt = 0
    let status = library.create(&handle)
    guard status == 0 else {
      throw .failed(call: "cublasLtCreate", reason: String(cString: library.statusString(status)))
    }
    self.handle = handle
  }

  deinit {
    prepared.withLock { for product in $0.values { destroy(product) } }
    _ = library.destroy(handle)
  }

  /// The product that carries out a plan, prepared at its first use.
  func product(_ plan: MatrixProductPlan) -> Prepared {
    prepared.withLock { prepared in
      if let known = prepared[plan] { return known }
      let best = prepare(plan, count: 1)[0]
      prepared[plan] = best
      return best
    }
  }

  /// Calls `body` with products by at most `count` of the algorithms that the heuristic offers, best first.
  func withAlternatives<Result>(
    _ plan: MatrixProductPlan, count: Int, _ body: ([Prepared]) -> Result
  ) -> Result {
    let alternatives = prepare(plan, count: count)
    defer { destroy(alternatives[0]) }
    return body(alternatives)
  }

  /// C = `alpha` A · B + `beta` C, plus `bias` on every row. C is not read where `beta` is zero.
  ///
  /// - Parameter workspace: the address of as many bytes as the product needs.
  func run(
    _ product: Prepared, _ a: CUDAMatrices, _ b: CUDAMatrices, alpha: Float, beta: Float, bias: UInt?, workspace: UInt,
    into out: CUDAMatrices
  ) {
    // One call at a time, since the bias is part of the shared descriptor.
    let status = prepared.withLock { _ in
      if let bias { set(product.operation, .biasAddress, bias) }
      return withUnsafePointer(to: alpha) { alpha in
        withUnsafePointer(to: beta) { beta in
          withUnsafePointer(to: product.algorithm) { algorithm in
            library.multiply(
              handle, product.operation, alpha, b.address, product.layouts.b, a.address, product.layouts.a, beta,
              out.address, product.layouts.out, out.address, product.layouts.out, algorithm, workspace,
              product.workspaceByteCount, stream)
          }
        }
      }
    }
    library.check(status, "cublasLtMatmul")
  }
}

// MARK: - The library's calls

extension CUDAMatrixProducts {
  /// The products by at most `count` of the algorithms that the heuristic offers, best first. They share descriptors.
  ///
  /// The library counts by columns and we by rows, so it is asked for Cᵀ = Bᵀ Aᵀ: what is a row here is a column
  /// there, and the bias runs along its columns, as its epilogue wants.
  private func prepare(_ plan: MatrixProductPlan, count: Int) -> [Prepared] {
    var operation: UInt = 0
    library.check(
      library.createOperation(&operation, BLASLibrary.ComputeType.float32.rawValue, DType.float32.blasType),
      "cublasLtMatmulDescCreate")
    let (m, n, k) = (plan.product.m, plan.product.n, plan.product.k)
    func transposition(_ isTransposed: Bool) -> Int32 {
      (isTransposed ? BLASLibrary.Transposition.transposed : .none).rawValue
    }
    set(operation, .transposeA, transposition(plan.product.transposeB))
    set(operation, .transposeB, transposition(plan.product.transposeA))
    set(operation, .epilogue, (plan.hasBias ? BLASLibrary.Epilogue.bias : .none).rawValue)
    if plan.hasBias { set(operation, .biasAddress, Self.alignedAddress) }
    let layouts = (
      a: plan.product.transposeA ? layout(plan.a, k, m, plan.batchCount) : layout(plan.a, m, k, plan.batchCount),
      b: plan.product.transposeB ? layout(plan.b, n, k, plan.batchCount) : layout(plan.b, k, n, plan.batchCount),
      out: layout(plan.out, m, n, plan.batchCount)
    )
    let candidates = candidates(plan, operation, layouts, count: count)
    require(!candidates.isEmpty, "matrixProduct: cuBLASLt \(library.version) has no algorithm for \(plan)")
    return candidates.map {
      Prepared(
        operation: operation, layouts: layouts, algorithm: $0.algorithm, workspaceByteCount: $0.workspaceByteCount,
        waves: $0.waves)
    }
  }

  /// The description of stored matrices, with rows as the library's columns.
  private func layout(
    _ placement: MatrixProductPlan.Placement, _ rows: Int, _ columns: Int, _ batchCount: Int
  ) -> UInt {
    var layout: UInt = 0
    library.check(
      library.createLayout(
        &layout, placement.dtype.blasType, UInt64(columns), UInt64(rows), Int64(placement.rowStride)),
      "cublasLtMatrixLayoutCreate")
    if batchCount > 1 {
      set(layout, .batchCount, Int32(batchCount))
      set(layout, .batchStride, Int64(placement.batchStride))
    }
    return layout
  }

  private func candidates(
    _ plan: MatrixProductPlan, _ operation: UInt, _ layouts: (a: UInt, b: UInt, out: UInt), count: Int
  ) -> [BLASLibrary.Candidate] {
    var preference: UInt = 0
    library.check(library.createPreference(&preference), "cublasLtMatmulPreferenceCreate")
    defer { _ = library.destroyPreference(preference) }
    set(preference, .workspaceByteCount, Self.workspaceLimit)
    set(preference, .reductionSchemes, BLASLibrary.ReductionScheme.float32.rawValue)
    set(preference, .alignmentA, UInt32(plan.b.alignment))
    set(preference, .alignmentB, UInt32(plan.a.alignment))
    set(preference, .alignmentC, UInt32(plan.out.alignment))
    set(preference, .alignmentD, UInt32(plan.out.alignment))
    var found: CInt = 0
    var candidates = Array(repeating: BLASLibrary.Candidate(), count: count)
    let status = candidates.withUnsafeMutableBytes { buffer in
      library.findAlgorithms(
        handle, operation, layouts.b, layouts.a, layouts.out, layouts.out, preference, CInt(count),
        buffer.baseAddress!, &found)
    }
    library.check(status, "finding an algorithm for \(plan)")
    return candidates.prefix(Int(found)).filter { $0.status == 0 }
  }

  private func destroy(_ product: Prepared) {
    _ = library.destroyOperation(product.operation)
    for layout in [product.layouts.a, product.layouts.b, product.layouts.out] { _ = library.destroyLayout(layout) }
  }

  private func set<Value: BitwiseCopyable>(
    _ operation: UInt, _ attribute: BLASLibrary.OperationAttribute, _ value: Value
  ) {
    set(library.setOperationAttribute, operation, attribute.rawValue, value)
  }

  private func set<Value: BitwiseCopyable>(
    _ layout: UInt, _ attribute: BLASLibrary.LayoutAttribute, _ value: Value
  ) {
    set(library.setLayoutAttribute, layout, attribute.rawValue, value)
  }

  private func set<Value: BitwiseCopyable>(
    _ preference: UInt, _ attribute: BLASLibrary.PreferenceAttribute, _ value: Value
  ) {
    set(library.setPreferenceAttribute, preference, attribute.rawValue, value)
  }

  private func set<Value: BitwiseCopyable>(
    _ function: BLASLibrary.SetAttribute, _ descriptor: UInt, _ attribute: CInt, _ value: Value
  ) {
    let status = withUnsafeBytes(of: value) { function(descriptor, attribute, $0.baseAddress!, $0.count) }
    library.check(status, "setting attribute \(attribute)")
  }
}
