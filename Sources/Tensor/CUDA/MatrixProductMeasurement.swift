/// How long one algorithm takes for a matrix product.
package struct MatrixProductMeasurement: Sendable {
  /// The working memory it needs, in bytes.
  package let workspaceByteCount: Int
  /// How often its blocks of threads fill the GPU.
  package let waves: Float
  /// The mean time of one run.
  package let milliseconds: Float
}

extension CUDABackend {
  /// The algorithms that cuBLASLt's heuristic offers for a product of dense matrices, best first, each with its time.
  ///
  /// This is for benchmarks, to see what the heuristic misses: it overwrites `out` and waits. Programs never choose by
  /// the clock, so that two runs compute alike.
  package func measureMatrixProduct(
    _ a: Tensor, _ b: Tensor, _ product: MatrixProduct, into out: Tensor, algorithms: Int = 8, repetitions: Int = 20
  ) -> [MatrixProductMeasurement] {
    activate()
    let (a, b) = operands(a, b, product)
    let out = CUDAMatrices(out, rowStride: product.n)
    let plan = MatrixProductPlan(product, a, b, into: out)
    var (start, end): (UInt, UInt) = (0, 0)
    driver.check(driver.createEvent(&start, 0), "cuEventCreate")
    driver.check(driver.createEvent(&end, 0), "cuEventCreate")
    defer {
      _ = driver.destroyEvent(start)
      _ = driver.destroyEvent(end)
    }
    return products.withAlternatives(plan, count: algorithms) { alternatives in
      alternatives.map { alternative in
        let workspace = scratch(byteCount: alternative.workspaceByteCount)
        func run() {
          products.run(
            alternative, a, b, alpha: 1, beta: 0, bias: nil, workspace: workspace.address, into: out)
        }
        run()
        driver.check(driver.recordEvent(start, stream), "cuEventRecord")
        for _ in 0..<repetitions { run() }
        driver.check(driver.recordEvent(end, stream), "cuEventRecord")
        driver.check(driver.synchronizeEvent(end), "cuEventSynchronize")
        var milliseconds: Float = 0
        driver.check(driver.elapsedTime(&milliseconds, start, end), "cuEventElapsedTime")
        return MatrixProductMeasurement(
          workspaceByteCount: alternative.workspaceByteCount, waves: alternative.waves,
          milliseconds: milliseconds / Float(repetitions))
      }
    }
  }
}
