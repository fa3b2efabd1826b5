import OperationCatalogue
import Tensor
import TestSupport
import Testing

@Suite struct CPUDeterminismTests {
  private static func backends(_ set: InstructionSet) -> [CPUBackend] {
    [1, 2, 5].map { CPUBackend(threads: $0, instructionSet: set) }
  }

  /// How work is shared out changes no bit of any result.
  @Test(arguments: InstructionSet.available)
  func resultsDoNotDependOnTheNumberOfThreads(_ set: InstructionSet) {
    let backends = Self.backends(set)
    for operation in OperationCatalogue.all where Device.cpu.supports(operation, .overwrite) {
      let results = backends.map { operation.bytes(on: $0) }
      let areEqual = results.allSatisfy { $0 == results[0] }
      #expect(areEqual, "\(operation)")
    }
  }

  /// Extents that are shared out in many parts, unlike those of most of the catalogue's cases.
  @Test(
    arguments: InstructionSet.available,
    [
      OperationCatalogue.convolution(ConvolutionExtents([2, 24, 24, 40], out: 56, 3, 3, padding: .all(1))),
      OperationCatalogue.convolutionBackwardInput(
        ConvolutionExtents([2, 24, 24, 40], out: 56, 3, 3, padding: .all(1))),
      OperationCatalogue.convolutionBackwardWeight(
        ConvolutionExtents([2, 24, 24, 40], out: 56, 3, 3, padding: .all(1))),
    ])
  func largeResultsDoNotDependOnTheNumberOfThreads(_ set: InstructionSet, _ operation: OperationCase) {
    let results = Self.backends(set).map { operation.bytes(on: $0) }
    let areEqual = results.allSatisfy { $0 == results[0] }
    #expect(areEqual)
  }
}

extension OperationCase {
  /// The bytes of all outputs.
  fileprivate func bytes(on backend: CPUBackend) -> [[UInt8]] {
    let layout = backend.convolutionLayout
    let operands = zip(operands, operandValues()).map { operand, values in
      let stored = operand.isConvolutionWeight ? values.stored(layout) : values
      return Tensor(numbers: stored.numbers, stored.shape, operand.dtype, on: backend)
    }
    let outputs = outputs.map { output in
      let shape = output.isConvolutionWeight ? Shape(layout.permutation.map { output.shape[$0] }) : output.shape
      return Tensor(empty: shape, dtype: output.dtype, on: backend)
    }
    for output in outputs { backend.fill(0, into: output) }
    run(backend, operands, outputs.map { .overwrite($0) })
    return outputs.map { output in
      [UInt8](unsafeUninitializedCapacity: output.byteCount) { buffer, count in
        backend.download(output, into: UnsafeMutableRawBufferPointer(buffer))
        count = output.byteCount
      }
    }
  }
}
