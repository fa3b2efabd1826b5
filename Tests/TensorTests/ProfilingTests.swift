import OperationCatalogue
import Testing

@testable import Tensor

@Suite struct ProfilingTests {
  /// An account of a case has the case's own figures, so that both come from one place.
  @Test func callsCountAsTheirCasesDo() {
    let backend = ProfilingBackend(NullBackend())
    for operation in OperationCatalogue.all {
      operation.runOnce(on: backend)
      let profile = backend.takeProfile()
      #expect(profile.primitives.keys.contains(operation.primitive), "\(operation)")
      #expect(profile.primitives[operation.primitive]?.count == 1, "\(operation)")
      #expect(profile.primitives[operation.primitive]?.flops == operation.flops, "\(operation)")
    }
  }

  @Test func bytesAreReadAndWritten() {
    let backend = ProfilingBackend(NullBackend())
    let x = Tensor(empty: [3, 4], on: backend)
    let out = Tensor(empty: [3, 4], dtype: .float16, on: backend)
    backend.cast(x, into: .overwrite(out))
    #expect(backend.takeProfile().total.bytes == 48 + 24)
    backend.cast(x, into: .accumulate(out))
    #expect(backend.takeProfile().total.bytes == 48 + 2 * 24)
    let joined = Tensor(empty: [3, 9], on: backend)
    backend.copyBlocks(
      x, BlockCopy(outer: 3, count: 4, source: (0, 4), target: (0, 9)), into: .overwrite(joined))
    #expect(backend.takeProfile().total.bytes == 48 + 48)
  }

  @Test func resultsAreThoseOfTheDevice() {
    let device = CPUBackend()
    let backend = ProfilingBackend(device)
    func product(on backend: any Backend) -> [Float] {
      let a = Tensor((0..<12).map { Float($0) }, [3, 4], on: backend)
      let b = Tensor((0..<20).map { Float($0) * 0.1 }, [5, 4], on: backend)
      return a.linear(b, bias: nil).array()
    }
    #expect(product(on: backend) == product(on: device))
    let profile = backend.takeProfile()
    #expect(profile.primitives.keys.sorted { $0.rawValue < $1.rawValue } == [.matrixProduct])
    #expect(profile.kinds.keys.first?.description == "ABᵀ 3x5x4 [3, 4] [5, 4] -> [3, 5] float32")
    #expect(profile.total.flops == 2 * 3 * 5 * 4)
    #expect(profile.total.seconds > 0)
    #expect(backend.takeProfile().kinds.isEmpty)
  }

  @Test func replaysCountEachTime() {
    let backend = ProfilingBackend(CPUBackend())
    let x = Tensor(repeating: 1, [5], on: backend)
    _ = backend.takeProfile()
    let work = backend.record { backend.affine(x, scale: 2, shift: 0, into: .overwrite(x)) }
    work.replay()
    work.replay()
    #expect(backend.takeProfile().total.count == 2)
    #expect(x.array() == [Float](repeating: 4, count: 5))
  }

  /// The CPU converts half types before it sums them.
  @Test func callsInsideCallsAreAPartOfThem() {
    let backend = ProfilingBackend(CPUBackend())
    let x = Tensor([Float16](repeating: 2, count: 5), [5], on: backend)
    let out = Tensor(empty: [], on: backend)
    backend.sumOfSquares(x, into: .overwrite(out))
    #expect(backend.takeProfile().primitives.keys.map(\.rawValue) == ["sumOfSquares"])
    #expect(out.scalar == 20)
  }

  @Test func callsThatAreAlikeCountTogether() {
    let backend = ProfilingBackend(CPUBackend())
    let x = Tensor(repeating: 1, [5], on: backend)
    _ = backend.takeProfile()
    for operation in [UnaryOperation.exp, .exp, .silu] { backend.unary(operation, x, into: .overwrite(x)) }
    let profile = backend.takeProfile()
    #expect(profile.kinds.count == 2)
    #expect(profile.primitives[.unary]?.count == 3)
  }
}

@Suite struct MeasuredCeilingsTests {
  @Test func theCPUIsRatedByItsRegisters() {
    let device = CPUBackend(threads: 2)
    let ceilings = MeasuredCeilings(device, .float32)
    #expect(ceilings.bytesPerSecond > 0)
    #expect(ceilings.flopsPerSecond > 0)
    #expect(ceilings.arithmetic == "\(device.instructionSet) instructions on registers, 2 threads")
  }

  @Test func otherDevicesAreRatedByAMatrixProduct() {
    #expect(MeasuredCeilings(NullBackend(), .float32).arithmetic == "a large matrix product")
  }

  /// Each chain becomes x · factor + term: 1, 1.5, 1.75 and so on towards 2, the same in all twelve.
  @Test(arguments: InstructionSet.available)
  func theKernelMultipliesAndAdds(_ instructionSet: InstructionSet) {
    for (rounds, expected) in [(0, 0), (1, 12), (2, 18), (3, 21)] as [(Int, Float)] {
      let result = UnsafeMutablePointer<Float>.allocate(capacity: 2)
      defer { result.deallocate() }
      (result[0], result[1]) = (0.5, 1)
      instructionSet.kernels.multiplyAndAdd(rounds: rounds, into: result)
      #expect(result[0] == expected)
    }
  }
}

@Suite struct OperationBenchmarkTests {
  @Test(arguments: [DType.float32, .bfloat16])
  func everyCaseOfStableDiffusionFits(_ dtype: DType) {
    let cases = OperationCatalogue.stableDiffusion(batch: 2, dtype)
    #expect(Set(cases.map(\.description)).count == cases.count)
    for operation in cases {
      let measured = OperationBenchmark(operation, on: NullBackend())
      #expect(measured.name == operation.description)
      #expect(measured.bytes > 0)
    }
  }

  @Test func aCaseIsMeasuredOnADevice() {
    let operation = OperationCatalogue.matrixProduct(MatrixProduct(m: 64, n: 32, k: 16, transposeB: true))
    let measured = OperationBenchmark(operation, on: CPUBackend())
    #expect(measured.seconds > 0)
    #expect(measured.flopsPerSecond == Double(2 * 64 * 32 * 16) / measured.seconds)
    #expect(measured.bytes == 4 * (64 * 16 + 32 * 16 + 64 * 32))
  }

  /// An update reads its operand where it writes it, and weights of a convolution lie as the device wants them.
  @Test func updatesAndWeightsAreLaidOutForTheDevice() {
    let extents = ConvolutionExtents([1, 8, 8, 4], out: 6, 3, 3, padding: .all(1))
    for operation in [OperationCatalogue.adamW(100, step: 2), OperationCatalogue.convolution(extents)] {
      #expect(OperationBenchmark(operation, on: CPUBackend()).seconds > 0)
    }
  }
}

extension OperationCase {
  /// Calls the backend on tensors that nothing has been written to.
  fileprivate func runOnce(on backend: any Backend) {
    let layout = backend.convolutionLayout
    func empty(_ shape: Shape, _ dtype: DType, _ isWeight: Bool) -> Tensor {
      Tensor(
        empty: isWeight ? Shape(layout.permutation.map { shape[$0] }) : shape, dtype: dtype, on: backend)
    }
    run(
      backend, operands.map { empty($0.shape, $0.dtype, $0.isConvolutionWeight) },
      outputs.map { .overwrite(empty($0.shape, $0.dtype, $0.isConvolutionWeight)) })
  }
}
