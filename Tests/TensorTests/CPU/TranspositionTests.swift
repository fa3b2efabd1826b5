import Tensor
import Testing

@Suite struct TranspositionTests {
  /// Numbers of four bytes are moved as if they were Float32, whatever their bits would mean.
  @Test(arguments: InstructionSet.available)
  func everyBitStays(_ set: InstructionSet) {
    let patterns: [Int32] = [.min, 0, -1, 1, 0x7f80_0001, 0x7fc0_0000, 0x007f_ffff, -0x0080_0000]
    let numbers = (0..<20 * 23).map { patterns[$0 * 5 % 7 + $0 % 2] }
    let turned = Tensor(numbers, [20, 23], on: CPUBackend(threads: 1, instructionSet: set)).transposed([1, 0])
    let expected = (0..<23).flatMap { column in (0..<20).map { numbers[$0 * 23 + column] } }
    #expect(turned.array(Int32.self) == expected)
  }
}
