import OperationCatalogue
import Tensor
import TestSupport
import Testing

@Suite struct RandomStreamTests {
  private let backend = Device.cpu.backend

  private func draw(_ number: Int32) -> Tensor { Tensor([number], [], on: backend) }

  private func normals(_ count: Int, seed: UInt64 = 1, stream: UInt32 = 0, draw number: Int32 = 0) -> [Float] {
    Tensor.normal([count], RandomStream(seed: seed, stream: stream), draw: draw(number)).array()
  }

  private func uniforms(_ count: Int, seed: UInt64 = 1, stream: UInt32 = 0, draw number: Int32 = 0) -> [Float] {
    Tensor.uniform([count], RandomStream(seed: seed, stream: stream), draw: draw(number)).array()
  }

  /// The known answers that the authors of Philox publish with their library (Random123, `kat_vectors`).
  @Test func referenceGivesThePublishedAnswers() {
    let ones: UInt64 = 0xFFFF_FFFF
    #expect(
      Reference.philox(counter: [0, 0, 0, 0], key: [0, 0]) == [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8])
    #expect(
      Reference.philox(counter: [ones, ones, ones, ones], key: [ones, ones])
        == [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD])
    #expect(
      Reference.philox(
        counter: [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], key: [0xA409_3822, 0x299F_31D0])
        == [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1])
  }

  /// The host's numbers and the device's are the same.
  @Test func hostAndDeviceAgree() {
    let stream = RandomStream(seed: 99, stream: 7)
    #expect(Tensor.uniform([1001], stream, draw: draw(5)).array() == stream.uniforms(1001, draw: 5))
    #expect(Tensor.normal([1001], stream, draw: draw(5)).array() == stream.normals(1001, draw: 5))
  }

  /// Means of n samples deviate from the expectation by σ/√n; five of these happen once in two million.
  @Test func normalsHaveTheMomentsOfTheNormalDistribution() {
    let sample = normals(1 << 20).map(Double.init)
    let deviation = 1 / Double(sample.count).squareRoot()
    func mean(_ power: Int) -> Double {
      sample.reduce(0) { sum, x in sum + (0..<power).reduce(1.0) { product, _ in product * x } } / Double(sample.count)
    }
    #expect(abs(mean(1)) < 5 * deviation)
    #expect(abs(mean(2) - 1) < 5 * deviation * 2.0.squareRoot())
    #expect(abs(mean(3)) < 5 * deviation * 15.0.squareRoot())
    #expect(abs(mean(4) - 3) < 5 * deviation * 96.0.squareRoot())
    let beyondTwo = Double(sample.count { abs($0) > 2 }) / Double(sample.count)
    let expected = 0.045_500_263_896_358_42
    #expect(abs(beyondTwo - expected) < 5 * deviation * (expected * (1 - expected)).squareRoot())
  }

  @Test func uniformsFillTheUnitIntervalEvenly() {
    let sample = uniforms(1 << 18)
    #expect(sample.allSatisfy { $0 >= 0 && $0 < 1 })
    var bins = Array(repeating: 0, count: 64)
    for x in sample { bins[Int(x * 64)] += 1 }
    let expected = Double(sample.count) / 64
    let chiSquare = bins.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    // 63 degrees of freedom: mean 63, standard deviation √126.
    #expect(abs(chiSquare - 63) < 5 * 126.0.squareRoot())
  }

  /// Numbers of different seeds, streams and draws are uncorrelated: the mean product of n pairs is within 5/√n of 0.
  @Test func seedsStreamsAndDrawsAreIndependent() {
    let count = 1 << 16
    let sequences = [
      normals(count), normals(count, seed: 2), normals(count, seed: 1 << 32 | 1), normals(count, stream: 1),
      normals(count, draw: 1), normals(count, stream: 1, draw: 1), Array(normals(count + 1).dropFirst()),
    ]
    for first in sequences.indices {
      for second in sequences.indices where second > first {
        let product = zip(sequences[first], sequences[second]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        let correlation = product / Double(count)
        #expect(abs(correlation) < 5 / Double(count).squareRoot(), "sequences \(first) and \(second)")
      }
    }
  }
}
