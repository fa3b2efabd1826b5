import Foundation
import TestSupport
import Testing

@testable import DreamBooth

/// Moments in 8 bits, written and read.
@Suite struct QuantizedStateTests {
  private let folder: TemporaryFolder
  private let backend = CPUBackend()

  init() throws {
    folder = try TemporaryFolder()
  }

  private func store() throws -> (parameter: Parameter, store: ParameterStore, optimizer: AdamW) {
    let (parameter, store) = try ParameterStore.build(
      on: backend, trainable: { _ in true }, from: InitialParameters(seed: 2)
    ) { try $0.parameter("weight", [7, 5, 3, 3], .convolution, initial: .normal(standardDeviation: 1)) }
    return (parameter, store, AdamW([store], maximumGradientNorm: 1, quantizesMoments: true))
  }

  private var file: URL { folder.url.appending(path: "moments.safetensors") }

  private func arrays(_ moments: QuantizedMoments) -> [[Float]] {
    [moments.codes1, moments.scales1, moments.codes2, moments.scales2].map { $0.floats() }
  }

  /// The 315 numbers of the parameter, without what stands between parameters.
  private func moments(_ parameter: Parameter, _ store: ParameterStore, _ optimizer: AdamW) -> QuantizedMoments {
    let range = store.range(of: parameter)
    return optimizer.quantizedMoments[0].part(at: range.lowerBound, count: range.count)
  }

  @Test func momentsComeBackByteForByte() throws {
    let (parameter, store, optimizer) = try store()
    store.gradients.assign(RandomStream(seed: 1, stream: 1).normals(store.gradients.count, draw: 0))
    optimizer.step(learningRate: 0.1)
    let written = QuantizedState(parameter, in: store, optimizer.quantizedMoments[0])
    try SafetensorsWriter.write(written.items, metadata: QuantizedState.metadata(optimizer), to: file)
    let (again, other, resumed) = try self.store()
    try QuantizedState(again, in: other, resumed.quantizedMoments[0]).restore(from: SafetensorsFile(file))
    let expected = arrays(moments(parameter, store, optimizer))
    #expect(arrays(moments(again, other, resumed)) == expected)
    #expect(expected.allSatisfy { Set($0).count > 1 })
  }

  /// From a device with another order of convolution weights: other blocks, the same numbers within a code's width.
  @Test func momentsOfAnotherLayoutAreQuantisedAnew() throws {
    let pytorch = RandomStream(seed: 5, stream: 1).normals(7 * 5 * 3 * 3, draw: 0)
    let layout = ConvolutionLayout.outHeightWidthIn
    let stored = Tensor(pytorch, [7, 5, 3, 3], on: backend).transposed(layout.permutation).floats()
    var items: [TensorItem] = []
    for (name, map, numbers) in [
      ("exp_avg", QuantizationMap.signed, stored), ("exp_avg_sq", .unsigned, stored.map { $0 * $0 }),
    ] {
      let (codes, scales) = QuantizedBlock.quantize(numbers, map)
      items.append(TensorItem("\(name).weight", Tensor(codes, [codes.count], on: backend)))
      items.append(TensorItem("\(name).weight.absmax", Tensor(scales, [scales.count], on: backend)))
    }
    try SafetensorsWriter.write(items, metadata: ["convolution_layout": "out_height_width_in"], to: file)
    let (parameter, store, optimizer) = try store()
    try QuantizedState(parameter, in: store, optimizer.quantizedMoments[0]).restore(from: SafetensorsFile(file))
    let found = moments(parameter, store, optimizer)
    let own = Tensor(
      QuantizedBlock.dequantize(found.codes1.array(UInt8.self), found.scales1.array(Float.self), .signed),
      parameter.specification.storedShape(backend.convolutionLayout), on: backend)
    let axes = backend.convolutionLayout.permutation
    let numbers = own.transposed(axes.indices.map { axis in axes.firstIndex(of: axis) ?? axis }).floats()
    // Two roundings, each to half of 0.9 / 64 of the largest number of a block at most.
    let largest = pytorch.reduce(0) { max($0, abs($1)) }
    for (number, found) in zip(pytorch, numbers) { #expect(abs(number - found) <= 2 * 0.0071 * largest) }
  }
}
