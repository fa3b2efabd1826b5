import OperationCatalogue
import Tensor
import TestSupport
import Testing

@Suite struct MemoryTests {
  @Test func countersReturnToZero() {
    let backend = CPUBackend(threads: 1)
    withExtendedLifetime([0, 1, 3, 1000, 5_000_000].map { Tensor(repeating: 1, [$0], on: backend) }) { tensors in
      #expect(backend.memory.live >= tensors.reduce(0) { $0 + $1.byteCount })
      #expect(backend.memory.reserved >= backend.memory.live)
    }
    #expect(backend.memory.live == 0)
    #expect(backend.memory.peak >= 20_000_000)
  }

  @Test func freedBlocksServeTheNextRequest() {
    let backend = CPUBackend(threads: 1)
    for shape in [[7], [3, 1000], [2_000_000]] as [Shape] {
      let address = Tensor(empty: shape, on: backend).address
      let reserved = backend.memory.reserved
      for _ in 0..<10 { #expect(Tensor(empty: shape, on: backend).address == address) }
      #expect(backend.memory.reserved == reserved)
    }
  }

  @Test func liveBlocksDoNotOverlap() {
    let backend = CPUBackend(threads: 1)
    var generator = SplitMix64(state: 7)
    var tensors: [Tensor] = []
    for round in 0..<400 {
      if round % 3 == 2 { tensors.remove(at: Int.random(in: 0..<tensors.count, using: &generator)) }
      tensors.append(Tensor(empty: [Int.random(in: 1...20_000, using: &generator)], on: backend))
    }
    let ranges = tensors.map { $0.address..<$0.address + UInt($0.byteCount) }.sorted { $0.lowerBound < $1.lowerBound }
    #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
  }

  @Test func viewsKeepTheirStorageAlive() {
    let backend = CPUBackend(threads: 1)
    var view: Tensor? = Tensor([1 as Float, 2, 3, 4, 5, 6], [3, 2], on: backend).rows(1..<2)
    #expect(view?.array(Float.self) == [3, 4])
    #expect(backend.memory.live > 0)
    view = nil
    #expect(backend.memory.live == 0)
  }

  /// Kernels take scratch space from the pool; all of it comes back.
  @Test func operationsLeakNothing() {
    let backend = CPUBackend(threads: 1)
    for operation in OperationCatalogue.all where Device.cpu.supports(operation, .overwrite) {
      let layout = backend.convolutionLayout
      let operands = zip(operation.operands, operation.operandValues()).map { operand, values in
        let stored = operand.isConvolutionWeight ? values.stored(layout) : values
        return Tensor(numbers: stored.numbers, stored.shape, operand.dtype, on: backend)
      }
      let outputs = operation.outputs.map { output in
        let shape = output.isConvolutionWeight ? Shape(layout.permutation.map { output.shape[$0] }) : output.shape
        return Destination.overwrite(Tensor(empty: shape, dtype: output.dtype, on: backend))
      }
      withExtendedLifetime((operands, outputs)) {
        let before = backend.memory.live
        operation.run(backend, operands, outputs)
        #expect(backend.memory.live == before, "\(operation)")
      }
    }
    #expect(backend.memory.live == 0)
  }

  @Test func uploadsAndDownloadsKeepEveryBit() {
    let backend = Device.cpu.backend
    let patterns = (0..<1001).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) | 0x7F80_0000 }
    let tensor = Tensor(patterns.map(Float.init(bitPattern:)), [1001], on: backend)
    #expect(tensor.array(Float.self).map(\.bitPattern) == patterns)
    tensor.assign(Array(repeating: 2 as Float, count: 1001))
    #expect(tensor.array(Float.self).allSatisfy { $0 == 2 })
  }
}

@Suite struct NullBackendTests {
  @Test func countsBytesWithoutHoldingThem() {
    let backend = NullBackend()
    do {
      let weight = Tensor(empty: [1 << 20, 1 << 20], on: backend)
      let input = Tensor(empty: [2, 1 << 20], on: backend)
      #expect(input.linear(weight, bias: nil).shape == [2, 1 << 20])
      withExtendedLifetime((weight, input)) { #expect(backend.memory.live == (1 << 42) + (1 << 23)) }
    }
    #expect(backend.memory.live == 0)
    #expect(backend.memory.peak == (1 << 42) + (1 << 24))
  }

  @Test func followsTheShapeRules() {
    let backend = NullBackend()
    let picture = Tensor(empty: [2, 9, 8, 6], on: backend)
    let weight = Tensor(empty: [3, 3, 6, 5], on: backend)
    let downwards = Convolution2D(stride: 2, padding: .init(top: 0, left: 0, bottom: 1, right: 1))
    #expect(picture.convolution(weight, bias: nil, downwards).shape == [2, 4, 4, 5])
    #expect(picture.upsampledNearest(to: (17, 16)).shape == [2, 17, 16, 6])
    #expect(picture.transposed([0, 3, 1, 2]).shape == [2, 6, 9, 8])
    #expect(picture.geglu().shape == [2, 9, 8, 3])
    #expect(picture.sliced(-1, 1..<4).shape == [2, 9, 8, 3])
    #expect(Tensor.concatenated([picture, picture], axis: 1).shape == [2, 18, 8, 6])
    let scale = Tensor(empty: [6], on: backend)
    let normalized = picture.groupNorm(gamma: scale, beta: scale, GroupNormalization(groups: 3, epsilon: 1e-5))
    #expect(normalized.out.shape == picture.shape)
    #expect(normalized.statistics.shape == [2, 3, 2])
    let indices = Tensor(empty: [2, 7], dtype: .int32, on: backend)
    #expect(Tensor(empty: [5, 3], on: backend).gathered(indices).shape == [2, 7, 3])
    #expect(picture.meanSquaredError(picture).shape == [2])
    #expect((picture + Tensor(empty: [9, 1, 6], on: backend)).shape == [2, 9, 8, 6])
  }

  @Test func downloadsGiveZeros() {
    #expect(Tensor([1 as Float, 2], [2], on: NullBackend()).array(Float.self) == [0, 0])
  }
}
