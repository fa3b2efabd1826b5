import OperationCatalogue
import Tensor
import TestSupport
import Testing

@Suite struct QuantizationTests {
  /// The numbers of bitsandbytes' dynamic map: first, last and around zero.
  @Test func mapsHoldTheDynamicTree() {
    let (signed, unsigned) = (QuantizationMap.signed.values, QuantizationMap.unsigned.values)
    #expect(signed.count == 256 && unsigned.count == 256)
    #expect(signed[0..<2] == [-0.992_968_74, -0.978_906_3])
    #expect(signed[125..<131] == [-3.25e-6, -5.5e-7, 0, 5.5e-7, 3.25e-6, 7.75e-6])
    #expect(signed[254...] == [0.992_968_74, 1])
    #expect(unsigned[0..<4] == [0, 3.25e-7, 7.75e-7, 2.125e-6])
    #expect(unsigned[253...] == [0.989_453_14, 0.996_484_4, 1])
    for map in [signed, unsigned] { #expect(zip(map, map.dropFirst()).allSatisfy { $0 < $1 }) }
  }

  /// Every number gets the code of the nearest one, and what codes stand for keeps its code.
  @Test func codesAreNearest() {
    for map in [QuantizationMap.signed, .unsigned] {
      for (code, value) in map.values.enumerated() { #expect(map.code(of: value) == UInt8(code)) }
      var generator = SplitMix64(state: 3)
      for _ in 0..<2000 {
        let number = Float(generator.nextNormal() * 0.3)
        let distance = abs(map.values[Int(map.code(of: number))] - number)
        #expect(map.values.allSatisfy { abs($0 - number) >= distance })
      }
    }
  }

  /// Two bytes for each parameter, and two scales for each block of 256.
  @Test func momentsTakeAQuarterOfTheirMemory() {
    let backend = NullBackend()
    let count = 1 << 20
    let moments = QuantizedMoments(zeros: count, on: backend)
    withExtendedLifetime(moments) { #expect(backend.memory.live == 2 * count + 2 * 4 * count / 256) }
  }

  /// Blocks without numbers, below the normal range, and cut off by the end.
  @Test func blocksKeepTheirLargestNumber() {
    let tiny = Float.leastNormalMagnitude / 4
    var numbers = [Float](repeating: 0, count: 256) + [Float](repeating: tiny, count: 256)
    numbers += (0..<100).map { 0.5 - Float($0) / 7 }
    let (codes, scales) = QuantizedBlock.quantize(numbers, .signed)
    #expect(scales == [0, tiny, 99 / 7 - 0.5])
    let found = QuantizedBlock.dequantize(codes, scales, .signed)
    #expect(found[0..<512].allSatisfy { $0 == 0 })
    for (number, found) in zip(numbers[512...], found[512...]) {
      // Half of the widest part, 0.9 / 64, of the largest number.
      #expect(abs(number - found) <= 0.0071 * scales[2])
    }
  }
}

@Suite struct StochasticRoundingTests {
  /// One step that only decays: 1 becomes 0.999, between the BFloat16 numbers 0.99609 and 1.
  private func decay(_ count: Int, draw: Int32 = 1, first: Int = 0, on backend: any Backend) -> [Float] {
    let parameter = Tensor(repeating: 1, [count], dtype: .bfloat16, on: backend)
    let zeros = (0..<3).map { _ in Tensor(repeating: 0, [count], on: backend) }
    backend.adamW(
      AdamWConstants(weightDecay: 1), rates: Tensor([0.001, 0.1, 0.001] as [Float], [3], on: backend),
      clipping: Tensor(repeating: 1, [], on: backend), gradient: zeros[0], parameter: parameter, moment1: zeros[1],
      moment2: zeros[2], shadow: nil,
      rounding: StochasticRounding(
        RandomStream(seed: 8, stream: 2), draw: Tensor([draw], [], on: backend), first: first))
    return parameter.floats()
  }

  @Test(arguments: Device.allCases)
  func theMeanIsExact(_ device: Device) {
    let count = 1 << 17
    let numbers = decay(count, on: device.backend)
    #expect(Set(numbers) == [1, 0.996_093_75])
    let mean = numbers.reduce(0) { $0 + Double($1) } / Double(count)
    let share = 0.001 / 0x1p-8
    let deviation = 0x1p-8 * (share * (1 - share) / Double(count)).squareRoot()
    #expect(abs(mean - 0.999) < 5 * deviation)
  }

  @Test(arguments: Device.allCases)
  func numbersDependOnTheDrawAndThePlaceAlone(_ device: Device) {
    let whole = decay(5000, on: device.backend)
    #expect(decay(5000, on: device.backend) == whole)
    #expect(decay(5000, draw: 2, on: device.backend) != whole)
    #expect(decay(1000, first: 2048, on: device.backend) == Array(whole[2048..<3048]))
    #expect(decay(5000, on: CPUBackend(threads: 1)) == whole)
  }

  /// Moments in 8 bits and rounded parameters have the same bytes on every device and for any number of threads.
  @Test(arguments: Device.allCases, [DType.float32, .bfloat16])
  func devicesAgreeOnEveryByte(_ device: Device, _ parameterType: DType) {
    func run(_ backend: any Backend) -> [[Double]] {
      let operation = OperationCatalogue.adamWQuantized(
        70_001, step: 3, gradient: .bfloat16, parameter: parameterType,
        shadow: parameterType == .float32 ? .bfloat16 : nil)
      let values = operation.operandValues()
      let operands = zip(operation.operands, values).map {
        Tensor(numbers: $1.numbers, $0.shape, $0.dtype, on: backend)
      }
      let outputs = operation.outputs.map { output in
        guard case .update(let index) = output.mode else {
          return Tensor(repeating: 0, output.shape, dtype: output.dtype, on: backend)
        }
        return Tensor(numbers: values[index].numbers, output.shape, output.dtype, on: backend)
      }
      operation.run(backend, operands, outputs.map { .overwrite($0) })
      return outputs.map { $0.numbers() }
    }
    #expect(run(device.backend) == run(CPUBackend(threads: 1)))
  }
}
