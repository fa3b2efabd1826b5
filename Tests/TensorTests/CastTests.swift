import Tensor
import TestSupport
import Testing

/// Conversions, bit by bit. Expectations come from the order of the types' bit patterns, not from another conversion.
@Suite struct CastTests {
  private let backend = Device.cpu.backend

  /// A half-precision type as its list of magnitudes: pattern p stands for `magnitude(p)`.
  struct HalfType: Sendable, CustomStringConvertible {
    let dtype: DType
    let fractionBits: Int
    let exponentBias: Int
    var infinity: Int { ((1 << (15 - fractionBits)) - 1) << fractionBits }
    var description: String { dtype.description }

    static let all = [
      HalfType(dtype: .float16, fractionBits: 10, exponentBias: 15),
      HalfType(dtype: .bfloat16, fractionBits: 7, exponentBias: 127),
    ]

    /// The number with the given pattern; the pattern of infinity is read as the power of two it would be.
    func magnitude(_ pattern: Int) -> Double {
      let exponent = pattern >> fractionBits
      let fraction = Double(pattern & ((1 << fractionBits) - 1)) / Double(1 << fractionBits)
      let scale = Double(sign: .plus, exponent: max(exponent, 1) - exponentBias, significand: 1)
      return (exponent == 0 ? fraction : 1 + fraction) * scale
    }
  }

  private func patterns(_ values: [Float], _ type: HalfType) -> [UInt16] {
    let cast = Tensor(values, [values.count], on: backend).cast(to: type.dtype)
    return type.dtype == .float16
      ? cast.array(Float16.self).map(\.bitPattern) : cast.array(BFloat16.self).map(\.bits)
  }

  private func widened(_ patterns: [UInt16], _ type: HalfType) -> [Float] {
    let half =
      type.dtype == .float16
      ? Tensor(patterns.map(Float16.init(bitPattern:)), [patterns.count], on: backend)
      : Tensor(patterns.map(BFloat16.init(bits:)), [patterns.count], on: backend)
    return half.cast(to: .float32).array()
  }

  /// The first place where two long lists differ; shown instead of the lists.
  private func firstDifference<Number: Equatable>(_ found: [Number], _ expected: [Number]) -> String? {
    guard found.count == expected.count else { return "\(found.count) numbers instead of \(expected.count)" }
    return found.indices.first { found[$0] != expected[$0] }.map { "\($0): \(found[$0]) instead of \(expected[$0])" }
  }

  @Test(arguments: HalfType.all)
  func everyHalfWidensExactly(_ type: HalfType) {
    let finite = 0..<type.infinity
    let positive = widened(finite.map { UInt16($0) }, type)
    let negative = widened(finite.map { UInt16($0) | 0x8000 }, type)
    #expect(firstDifference(positive, finite.map { Float(type.magnitude($0)) }) == nil)
    #expect(firstDifference(negative, positive.map { -$0 }) == nil)
    #expect(negative[0].sign == .minus)
    #expect(widened([UInt16(type.infinity)], type) == [.infinity])
    #expect(widened([UInt16(type.infinity) + 1, 0xFFFF], type).allSatisfy { $0.isNaN })
  }

  /// Around the middle of every two neighbours: just below goes down, just above up, the middle to the even pattern.
  @Test(arguments: HalfType.all)
  func everyNumberRoundsToTheNearestEven(_ type: HalfType) {
    let lower = 0..<type.infinity
    let middles = lower.map { Float((type.magnitude($0) + type.magnitude($0 + 1)) / 2) }
    #expect(firstDifference(patterns(middles, type), lower.map { UInt16($0 + $0 % 2) }) == nil)
    #expect(firstDifference(patterns(middles.map(\.nextDown), type), lower.map { UInt16($0) }) == nil)
    #expect(firstDifference(patterns(middles.map(\.nextUp), type), lower.map { UInt16($0 + 1) }) == nil)
    #expect(firstDifference(patterns(middles.map { -$0 }, type), lower.map { UInt16($0 + $0 % 2) | 0x8000 }) == nil)
    #expect(firstDifference(patterns(lower.map { Float(type.magnitude($0)) }, type), lower.map { UInt16($0) }) == nil)
  }

  @Test(arguments: HalfType.all)
  func specialNumbersStaySpecial(_ type: HalfType) {
    let infinity = UInt16(type.infinity)
    let numbers: [Float] = [.infinity, -.infinity, .greatestFiniteMagnitude, 0, -0.0]
    #expect(patterns(numbers, type) == [infinity, infinity | 0x8000, infinity, 0, 0x8000])
    let signalling = Float(bitPattern: 0x7F80_0001)
    #expect(widened(patterns([.nan, -.nan, signalling], type), type).allSatisfy { $0.isNaN })
    let smallest = Float.leastNonzeroMagnitude
    #expect(patterns([smallest, -smallest], type) == [0, 0x8000])
  }

  @Test func wholeNumbersConvertExactly() {
    let integers: [Int32] = [0, 1, -1, 16_777_216, -16_777_215, .max, .min]
    let fromIntegers: [Float] = Tensor(integers, [integers.count], on: backend).cast(to: .float32).array()
    #expect(fromIntegers == integers.map { Float($0) })
    let bytes = (0...255).map { UInt8($0) }
    let fromBytes: [Float] = Tensor(bytes, [256], on: backend).cast(to: .float32).array()
    #expect(fromBytes == bytes.map { Float($0) })
  }

  @Test func equalTypesShareTheirMemory() {
    let tensor = Tensor([1 as Float, 2], [2], on: backend)
    #expect(tensor.cast(to: .float32).address == tensor.address)
  }
}
