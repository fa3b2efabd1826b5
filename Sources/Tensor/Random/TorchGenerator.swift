import Foundation

/// The random numbers of `torch.Generator("cpu")`.
///
/// Equal seeds and equal calls give the numbers PyTorch gives, bit for bit: integers, permutations, uniforms, and
/// Float32 normals as PyTorch makes them on x86-64 processors with AVX2 (without AVX2 PyTorch itself takes another
/// logarithm and differs in the last bit). Float64 normals go through the C library's logarithm, sine and cosine.
public struct TorchGenerator: Sendable {
  private var engine: MersenneTwister

  /// The second half of the last pair of normals, when a short draw left it over.
  ///
  /// It outlives the call: the next short draw begins with it.
  private var nextNormal: Double?

  /// A generator as after `torch.Generator("cpu").manual_seed(seed)`.
  ///
  /// The Mersenne Twister takes the lower 32 bits only, as in PyTorch.
  public init(seed: UInt64) {
    engine = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
  }

  /// `torch.rand(count)`: uniforms in [0, 1) with 24 random bits.
  public mutating func rand(_ count: Int) -> [Float] {
    requireCount(count, "rand")
    return [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      for index in 0..<count { buffer[index] = uniform() }
      initializedCount = count
    }
  }

  /// `torch.rand(count, dtype=torch.float64)`: uniforms in [0, 1) with 53 random bits.
  public mutating func randDouble(_ count: Int) -> [Double] {
    requireCount(count, "randDouble")
    return (0..<count).map { _ in uniformDouble() }
  }

  /// `torch.randn(count)`: standard normals.
  ///
  /// The first numbers of a long draw are not those of a short one: from 16 elements on PyTorch fills blocks of 16.
  public mutating func randn(_ count: Int) -> [Float] {
    normal(count, mean: 0, std: 1)
  }

  /// `torch.randn(count, dtype=torch.float64)`: standard normals.
  public mutating func randnDouble(_ count: Int) -> [Double] {
    requireCount(count, "randnDouble")
    guard count >= 16 else { return (0..<count).map { _ in scalarNormal() } }
    var values = randDouble(count)
    for start in stride(from: 0, through: count - 16, by: 16) { Self.transform(&values, start) }
    if count % 16 != 0 {
      values.replaceSubrange(count - 16..<count, with: randDouble(16))
      Self.transform(&values, count - 16)
    }
    return values
  }

  /// `torch.empty(count).normal_(mean, std)`: normals of the given mean and standard deviation.
  public mutating func normal(_ count: Int, mean: Double, std: Double) -> [Float] {
    requireCount(count, "normal")
    require(std >= 0, "normal: the standard deviation \(std) is negative")
    guard count >= 16 else { return (0..<count).map { _ in Float(scalarNormal() * std + mean) } }
    var values = rand(count)
    let (mean, std) = (Float(mean), Float(std))
    for start in stride(from: 0, through: count - 16, by: 16) { Self.transform(&values, start, mean, std) }
    if count % 16 != 0 {
      // The incomplete block is not drawn on its own: the last 16 elements are drawn afresh.
      values.replaceSubrange(count - 16..<count, with: rand(16))
      Self.transform(&values, count - 16, mean, std)
    }
    return values
  }

  /// `torch.randint(range.lowerBound, range.upperBound, (count,))`.
  ///
  /// Ranges of 2²⁸ values and more take 64 random bits per number, smaller ones 32, reduced by the remainder.
  public mutating func randint(_ range: Range<Int64>, _ count: Int) -> [Int64] {
    requireCount(count, "randint")
    require(!range.isEmpty, "randint: the range \(range) is empty")
    let width = UInt64(bitPattern: range.upperBound &- range.lowerBound)
    return (0..<count).map { _ in
      let bits = width >= 1 << 28 ? engine.random64() : UInt64(engine.random())
      return Int64(bitPattern: bits % width) &+ range.lowerBound
    }
  }

  /// `torch.randperm(count)`: the numbers below `count` in random order.
  public mutating func randperm(_ count: Int) -> [Int64] {
    requireCount(count, "randperm")
    require(count < UInt32.max / 20, "randperm: \(count) elements are more than are supported")
    var permutation = (0..<Int64(count)).map { $0 }
    for index in 0..<max(0, count - 1) {
      permutation.swapAt(index, index + Int(engine.random() % UInt32(count - index)))
    }
    return permutation
  }

  private func requireCount(_ count: Int, _ operation: String) {
    require(count >= 0, "\(operation): the count \(count) is negative")
  }

  private mutating func uniform() -> Float {
    Float(engine.random() & 0xFF_FFFF) * 0x1p-24
  }

  private mutating func uniformDouble() -> Double {
    Double(engine.random64() & 0x1F_FFFF_FFFF_FFFF) * 0x1p-53
  }

  /// One standard normal of a draw of fewer than 16.
  private mutating func scalarNormal() -> Double {
    if let cached = nextNormal {
      nextNormal = nil
      return cached
    }
    let angle = 2 * Double.pi * uniformDouble()
    let radius = (-2 * log1p(-uniformDouble())).squareRoot()
    nextNormal = radius * sin(angle)
    return radius * cos(angle)
  }

  /// Turns the 16 uniforms that begin at `start` into normals: element `j` of the first eight gives the radius,
  /// element `j + 8` the angle.
  private static func transform(_ values: inout [Float], _ start: Int, _ mean: Float, _ std: Float) {
    let twoPi = Float(2 * Double.pi)  // not 2 * Float.pi: Swift rounds that constant towards zero
    for index in start..<start + 8 {
      let radius = (-2 * CephesMath.log(1 - values[index])).squareRoot()
      let (sine, cosine) = CephesMath.sineAndCosine(twoPi * values[index + 8])
      values[index] = mean.addingProduct(radius * cosine, std)
      values[index + 8] = mean.addingProduct(radius * sine, std)
    }
  }

  private static func transform(_ values: inout [Double], _ start: Int) {
    for index in start..<start + 8 {
      let radius = (-2 * log(1 - values[index])).squareRoot()
      let angle = 2 * Double.pi * values[index + 8]
      values[index] = radius * cos(angle)
      values[index + 8] = radius * sin(angle)
    }
  }
}
