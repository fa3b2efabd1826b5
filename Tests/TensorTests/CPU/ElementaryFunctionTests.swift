import Foundation
import Tensor
import Testing

/// The accuracy of the elementary functions of each instruction set, in units of the last place of the true result.
@Suite struct ElementaryFunctionTests {
  @Test(arguments: InstructionSet.available)
  func exponential(_ set: InstructionSet) {
    let numbers = Self.everyMagnitude + Self.points(-104...89) + Self.points(-1...1)
    #expect(Self.worstError(.exp, set, numbers, exp) <= 1)
    #expect(Self.values(.exp, set, [.infinity, -.infinity, 0, -0.0, 89, -105]) == [.infinity, 0, 1, 1, .infinity, 0])
  }

  @Test(arguments: InstructionSet.available)
  func squareRoot(_ set: InstructionSet) {
    let numbers = Self.everyMagnitude.filter { $0 >= 0 } + Self.points(0...9)
    #expect(Self.worstError(.squareRoot, set, numbers) { $0.squareRoot() } <= 0.5)
    #expect(Self.values(.squareRoot, set, [.infinity, 0]) == [.infinity, 0])
  }

  @Test(arguments: InstructionSet.available)
  func sigmoidLinearUnits(_ set: InstructionSet) {
    let numbers = Self.everyMagnitude + Self.points(-95...95) + Self.points(-2...2)
    #expect(Self.worstError(.silu, set, numbers) { $0 / (1 + exp(-$0)) } <= 4)
    // 1.702 x is rounded, which the exponential magnifies by what it is a power of.
    let narrow = Self.everyMagnitude.filter { abs($0) < 1 } + Self.points(-2...90)
    #expect(Self.worstError(.quickGELU, set, narrow) { $0 / (1 + exp(-Double(1.702 as Float) * $0)) } <= 6)
    for operation in [UnaryOperation.silu, .quickGELU] {
      #expect(Self.values(operation, set, [.infinity, 0, 1e30]) == [.infinity, 0, 1e30], "\(operation)")
    }
  }

  /// The tail is as accurate as the middle: nothing is subtracted from one.
  @Test(arguments: InstructionSet.available)
  func gaussianErrorLinearUnit(_ set: InstructionSet) {
    let numbers = Self.everyMagnitude + Self.points(-14...14) + Self.points(-1...1)
    #expect(Self.worstError(.gelu, set, numbers) { $0 * Self.normalDistribution($0) } <= 8)
    #expect(Self.values(.gelu, set, [.infinity, 0, 1e30, -1e30]) == [.infinity, 0, 1e30, 0])
  }

  /// Derivatives are of the order of one, and their error is measured by the last place of one.
  @Test(arguments: InstructionSet.available)
  func derivatives(_ set: InstructionSet) {
    let numbers = Self.everyMagnitude + Self.points(-14...14)
    let truths: [(BinaryOperation, (Double) -> Double)] = [
      (.siluBackward, { Self.swishSlope($0, 1) }), (.quickGELUBackward, { Self.swishSlope($0, 1.702) }),
      (.geluBackward, { Self.normalDistribution($0) + $0 * exp(-$0 * $0 / 2) / (2 * Double.pi).squareRoot() }),
    ]
    for (operation, truth) in truths {
      let found = Self.slopes(operation, set, numbers)
      let errors = zip(numbers, found).map { abs(Double($1) - truth(Double($0))) }
      #expect((errors.max() ?? 0) <= 3 * Double((1 as Float).ulp), "\(operation)")
    }
  }

  @Test(arguments: InstructionSet.available)
  func notANumberStaysOne(_ set: InstructionSet) {
    for operation in UnaryOperation.allCases {
      #expect(Self.values(operation, set, [.nan]).allSatisfy { $0.isNaN }, "\(operation)")
    }
    for operation in [BinaryOperation.siluBackward, .geluBackward, .quickGELUBackward] {
      #expect(Self.slopes(operation, set, [.nan]).allSatisfy { $0.isNaN }, "\(operation)")
    }
  }

  /// Numbers of every exponent and both signs, subnormal ones included.
  private static let everyMagnitude: [Float] = stride(from: 0, to: Float.infinity.bitPattern, by: 20_011)
    .map(Float.init(bitPattern:)).flatMap { [$0, -$0] }

  private static func points(_ range: ClosedRange<Float>) -> [Float] {
    let steps = 200_000
    return (0...steps).map {
      range.lowerBound + (range.upperBound - range.lowerBound) * (Float($0) / Float(steps))
    }
  }

  private static func values(_ operation: UnaryOperation, _ set: InstructionSet, _ numbers: [Float]) -> [Float] {
    Tensor(numbers, [numbers.count], on: CPUBackend(threads: 1, instructionSet: set)).unary(operation).array()
  }

  private static func slopes(_ operation: BinaryOperation, _ set: InstructionSet, _ numbers: [Float]) -> [Float] {
    let backend = CPUBackend(threads: 1, instructionSet: set)
    return Tensor(numbers, [numbers.count], on: backend)
      .binary(operation, Tensor([1 as Float], [1], on: backend)).array()
  }

  /// Factors of a number that are below the normal numbers may be flushed to zero; the exponential itself is not.
  private static func worstError(
    _ operation: UnaryOperation, _ set: InstructionSet, _ numbers: [Float], _ truth: (Double) -> Double
  ) -> Double {
    var worst = 0.0
    for (number, found) in zip(numbers, values(operation, set, numbers)) {
      let expected = truth(Double(number))
      let rounded = Float(expected)
      if found == rounded { continue }
      if !found.isFinite { return .infinity }
      let error = abs(Double(found) - expected)
      let flushed = Double(max(abs(number), 1)) * Double(Float.leastNormalMagnitude)
      if error > flushed || operation == .exp { worst = max(worst, error / Double(rounded.ulp)) }
    }
    return worst
  }

  private static func normalDistribution(_ x: Double) -> Double { erfc(-x * 0.5.squareRoot()) / 2 }

  private static func swishSlope(_ x: Double, _ factor: Double) -> Double {
    let sigmoid = 1 / (1 + exp(-factor * x))
    return sigmoid + factor * x * sigmoid * (1 - sigmoid)
  }
}
