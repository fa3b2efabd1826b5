import TestSupport
import Testing

@testable import Tensor

@Suite struct MatrixProductPlanTests {
  /// `cublasLtMatmulHeuristicResult_t`: 64 bytes of algorithm, a size, a status, a float and four reserved numbers.
  @Test func candidatesLieInMemoryAsTheLibraryWritesThem() {
    #expect(MemoryLayout<BLASLibrary.Candidate>.stride == 96)
    #expect(MemoryLayout<BLASLibrary.Candidate>.offset(of: \.workspaceByteCount) == 64)
    #expect(MemoryLayout<BLASLibrary.Candidate>.offset(of: \.status) == 72)
    #expect(MemoryLayout<BLASLibrary.Candidate>.offset(of: \.waves) == 76)
  }

  /// Algorithms with wide accesses are asked for only where every matrix of the batch starts at their multiples.
  @Test func alignmentCoversEveryMatrixOfABatch() {
    let tensor = Tensor(empty: [256], dtype: .bfloat16, on: NullBackend())
    func alignment(offset: Int, batchStride: Int, batchCount: Int) -> Int {
      let matrices = CUDAMatrices(tensor, offset: offset, rowStride: 64, batchStride: batchStride)
      return MatrixProductPlan.Placement(matrices, batchCount: batchCount).alignment
    }
    #expect(tensor.isVectorAligned)
    #expect(alignment(offset: 0, batchStride: 40, batchCount: 8) == 16)
    #expect(alignment(offset: 4, batchStride: 40, batchCount: 8) == 8)
    #expect(alignment(offset: 0, batchStride: 3, batchCount: 8) == 2)
    #expect(alignment(offset: 0, batchStride: 3, batchCount: 1) == 16)
    #expect(alignment(offset: 1, batchStride: 64, batchCount: 2) == 2)
  }

  /// Strides that a single matrix does not use make no plan of their own.
  @Test func plansDifferByWhatMattersAlone() {
    let tensor = Tensor(empty: [256], dtype: .float32, on: NullBackend())
    func plan(batchStride: Int, batchCount: Int) -> MatrixProductPlan {
      let matrices = CUDAMatrices(tensor, rowStride: 4, batchStride: batchStride)
      return MatrixProductPlan(
        MatrixProduct(m: 4, n: 4, k: 4), batchCount: batchCount, matrices, matrices, into: matrices)
    }
    #expect(plan(batchStride: 16, batchCount: 1) == plan(batchStride: 32, batchCount: 1))
    #expect(plan(batchStride: 16, batchCount: 2) != plan(batchStride: 32, batchCount: 2))
  }
}
