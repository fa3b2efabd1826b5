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
      ConvolutionExtents([2, 24, 24, 40], out: 56, 3, 3, padding: .all(1)),
      // Taps together and one by one, several blocks of channels, uneven lines.
      ConvolutionExtents([2, 23, 19, 40], out: 56, 3, 3, stride: 2, padding: .all(1)),
      ConvolutionExtents([1, 13, 11, 200], out: 330, 3, 3, stride: 2, padding: .all(1)),
      // Fewer pixels than channels.
      ConvolutionExtents([1, 8, 7, 400], out: 410, 3, 3, padding: .all(1)),
      // More pixels than are listed at once.
      ConvolutionExtents(
        [1, 100, 90, 20], out: 34, 3, 3, stride: 1, padding: .init(top: 1, left: 0, bottom: 2, right: 1)),
      // Few channels on one side.
      ConvolutionExtents([1, 65, 63, 6], out: 40, 3, 3, padding: .all(1)),
      ConvolutionExtents([1, 65, 63, 40], out: 6, 3, 3, padding: .all(1)),
    ])
  func largeConvolutionsDoNotDependOnTheNumberOfThreads(_ set: InstructionSet, _ extents: ConvolutionExtents) {
    let backends = Self.backends(set)
    for operation in [
      OperationCatalogue.convolution(extents), OperationCatalogue.convolutionBackwardInput(extents),
      OperationCatalogue.convolutionBackwardWeight(extents),
    ] {
      let results = backends.map { operation.bytes(on: $0) }
      let areEqual = results.allSatisfy { $0 == results[0] }
      #expect(areEqual, "\(operation)")
    }
  }
}

extension OperationCase {
  /// The bytes of all outputs.
  func bytes(on backend: CPUBackend) -> [[UInt8]] {
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
