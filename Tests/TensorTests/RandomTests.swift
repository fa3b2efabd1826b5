import TestSupport
import Testing

@testable import Tensor

/// The numbers of Fixtures/random_generators.py.
@Suite struct RandomTests {
  private static let seed: UInt64 = 1_234_567_890_123

  /// 64-bit integers that stand in the golden as pairs of halves, the lower first.
  private func integers(_ name: String) throws -> [Int64] {
    let halves = try Fixtures.golden("random_generators").int32s(name)
    return stride(from: 0, to: halves.count, by: 2).map {
      Int64(halves[$0 + 1]) << 32 | Int64(UInt32(bitPattern: halves[$0]))
    }
  }

  // MARK: torch.Generator("cpu")

  @Test(arguments: [1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 2500])
  func normalsAreTorchs(_ count: Int) throws {
    var generator = TorchGenerator(seed: Self.seed)
    let expected = try Fixtures.golden("random_generators").floats("cpu/randn/\(count)")
    #expect(generator.randn(count).map(\.bitPattern) == expected.map(\.bitPattern))
  }

  @Test(arguments: [1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 2500])
  func doubleNormalsAreTorchs(_ count: Int) throws {
    var generator = TorchGenerator(seed: Self.seed)
    let expected = try integers("cpu/randn_double/\(count)").map { Double(bitPattern: UInt64(bitPattern: $0)) }
    // The C libraries' logarithm, sine and cosine may differ by a unit each, and the product is rounded.
    #expect(zip(generator.randnDouble(count), expected).allSatisfy { abs($0 - $1) <= 4 * $1.ulp })
    #expect(expected.count == count)
  }

  @Test(arguments: [0, 1, 42, 1 << 32, 1 << 32 + 1, .max] as [UInt64])
  func seedsAreTakenAsTorchTakesThem(_ seed: UInt64) throws {
    var generator = TorchGenerator(seed: seed)
    #expect(generator.randn(20) == (try Fixtures.golden("random_generators").floats("cpu/seed/\(seed)")))
  }

  @Test func uniformsAreTorchs() throws {
    var generator = TorchGenerator(seed: Self.seed)
    #expect(generator.rand(1500) == (try Fixtures.golden("random_generators").floats("cpu/rand")))
    generator = TorchGenerator(seed: Self.seed)
    let expected = try integers("cpu/rand_double").map { Double(bitPattern: UInt64(bitPattern: $0)) }
    #expect(generator.randDouble(700) == expected)
  }

  @Test(arguments: [7, 100])
  func shiftedNormalsAreTorchs(_ count: Int) throws {
    var generator = TorchGenerator(seed: Self.seed)
    let expected = try Fixtures.golden("random_generators").floats("cpu/normal/\(count)")
    #expect(generator.normal(count, mean: -3.5, std: 0.02) == expected)
  }

  @Test(
    arguments: [
      0..<1000, -5..<6, 0..<(1 << 28 - 1), 0..<(1 << 28), 0..<(1 << 32), -(1 << 40)..<(1 << 50), .min ..< .max,
    ] as [Range<Int64>])
  func integersAreTorchs(_ range: Range<Int64>) throws {
    var generator = TorchGenerator(seed: Self.seed)
    let expected = try integers("cpu/randint/\(range.lowerBound)/\(range.upperBound)")
    #expect(generator.randint(range, 50) == expected)
  }

  @Test(arguments: [0, 1, 2, 10, 1000])
  func permutationsAreTorchs(_ count: Int) throws {
    var generator = TorchGenerator(seed: Self.seed)
    let expected = try Fixtures.golden("random_generators").int32s("cpu/randperm/\(count)")
    #expect(generator.randperm(count) == expected.map(Int64.init))
  }

  /// A generator keeps the second normal of a pair; later draws must find it where torch does.
  @Test func callsFollowEachOtherAsInTorch() throws {
    let golden = try Fixtures.golden("random_generators")
    var generator = TorchGenerator(seed: Self.seed)
    let draws: [(inout TorchGenerator) -> [Float]] = [
      { $0.randn(3) }, { $0.rand(2) }, { $0.randn(1) }, { $0.randn(1) }, { $0.randn(20) },
    ]
    for (index, draw) in draws.enumerated() {
      #expect(draw(&generator) == (try golden.floats("cpu/sequence/\(index)")), "\(index)")
    }
    #expect(generator.randint(0..<1000, 3) == (try golden.int32s("cpu/sequence/5")).map(Int64.init))
    #expect(generator.randn(2) == (try golden.floats("cpu/sequence/6")))
  }

  // MARK: torch.Generator("cuda")

  @Test func normalsAreThoseThatDevicesPrinted() throws {
    let golden = try Fixtures.golden("random_generators")
    for (seed, count) in [(UInt64(0), 8), (42, 19)] {
      var generator = TorchCUDAGenerator(seed: seed)
      #expect(isClose(generator.randn(count), try golden.floats("published/\(seed)"), 0.5e-4))
    }
    var generator = TorchCUDAGenerator(seed: 42)
    _ = generator.randn(4)
    #expect(isClose(generator.randn(4) + generator.randn(4), try golden.floats("published/next"), 0.5e-4))
  }

  @Test func deviceNormalsFollowTheLaunchGrid() throws {
    let golden = try Fixtures.golden("random_generators")
    var generator = TorchCUDAGenerator(seed: Self.seed)
    for (call, count) in [5, 256, 257, 4096].enumerated() {
      #expect(isClose(generator.randn(count), try golden.floats("cuda/sequence/\(call)"), 0x1p-22), "\(call)")
    }
    #expect(generator.offset == 16)
    var small = TorchCUDAGenerator(seed: Self.seed, multiprocessorCount: 1, threadsPerMultiprocessor: 512)
    #expect(isClose(small.randn(5003), try golden.floats("cuda/small_device/0"), 0x1p-22))
    #expect(isClose(small.randn(20), try golden.floats("cuda/small_device/1"), 0x1p-22))
    #expect(small.randn(0) == [])
  }

  /// Equal to within half a unit of the last printed digit, or to within a rounding of numbers below 8.
  private func isClose(_ found: [Float], _ expected: [Float], _ tolerance: Float) -> Bool {
    found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) <= tolerance * 1.01 }
  }

  // MARK: Streams

  @Test func philoxGivesThePublishedAnswers() throws {
    let golden = try Fixtures.golden("random_generators").int32s("philox/known").map { UInt32(bitPattern: $0) }
    let pi = SIMD4<UInt32>(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344)
    let blocks = [
      Philox.block(counter: .zero, key: 0), Philox.block(counter: SIMD4(repeating: .max), key: .max),
      Philox.block(counter: pi, key: 0x299F_31D0_A409_3822),
    ]
    #expect(blocks.flatMap { block in (0..<4).map { block[$0] } } == golden)
  }

  @Test func streamsFollowTheirDefinition() throws {
    let golden = try Fixtures.golden("random_generators")
    let (uniform, normal) = (try golden.floats("philox/uniform"), try golden.floats("philox/normal"))
    let stream = RandomStream(seed: Self.seed, stream: 7)
    let first = 1 << 34 + 3
    #expect(filled(uniform.count) { stream.fillUniforms($0, draw: 11, first: first) } == uniform)
    #expect(isClose(filled(normal.count) { stream.fillNormals($0, draw: 11, first: first) }, normal, 0x1p-22))
  }

  /// Chunks may be made apart, wherever they are cut.
  @Test func partsOfADrawFitTogether() {
    let stream = RandomStream(seed: 3, stream: 1)
    let (uniforms, normals) = (stream.uniforms(40, draw: 5), stream.normals(40, draw: 5))
    for start in 0..<9 {
      for count in 0..<12 {
        let range = start..<start + count
        #expect(filled(count) { stream.fillUniforms($0, draw: 5, first: start) } == Array(uniforms[range]))
        #expect(filled(count) { stream.fillNormals($0, draw: 5, first: start) } == Array(normals[range]))
      }
    }
  }

  private func filled(_ count: Int, _ fill: (UnsafeMutableBufferPointer<Float>) -> Void) -> [Float] {
    var values = [Float](repeating: .nan, count: count)
    values.withUnsafeMutableBufferPointer { fill($0) }
    return values
  }
}
