import Foundation

/// The random numbers of `torch.Generator("cuda")`, made on the host.
///
/// PyTorch launches a grid of threads of which each owns a Philox subsequence and writes every `threadCount`-th
/// element. Up to `threadCount` elements, which covers the latents of every usual image, the numbers are the same on
/// all devices; beyond it they depend on the size of the device.
///
/// cuRAND evaluates the Box-Muller transform with the device's approximate sine and cosine. Here it is evaluated in
/// Float64 and rounded once, so results differ from a device's by its error, around 1e-6.
public struct TorchCUDAGenerator: Sendable {
  private static let blockSize = 256
  private static let elementsPerDraw = 4

  private let seed: UInt64
  private let maximumBlocks: Int

  /// How far the device generator has advanced, in 32-bit words per thread (`torch.cuda` calls it the Philox offset).
  public private(set) var offset: UInt64 = 0

  /// A generator as after `torch.Generator("cuda").manual_seed(seed)`.
  ///
  /// `multiprocessorCount` and `threadsPerMultiprocessor` describe the device to imitate; they matter only for draws
  /// of more elements than the device runs threads. The defaults are those of an A100.
  public init(seed: UInt64, multiprocessorCount: Int = 108, threadsPerMultiprocessor: Int = 2048) {
    require(
      multiprocessorCount > 0 && threadsPerMultiprocessor >= Self.blockSize,
      "TorchCUDAGenerator: no device has \(multiprocessorCount) multiprocessors of \(threadsPerMultiprocessor) threads")
    self.seed = seed
    maximumBlocks = multiprocessorCount * (threadsPerMultiprocessor / Self.blockSize)
  }

  /// `torch.randn(count, device="cuda")`: standard normals.
  public mutating func randn(_ count: Int) -> [Float] {
    require(count >= 0, "randn: the count \(count) is negative")
    guard count > 0 else { return [] }
    let blockCount = min(maximumBlocks, (count + Self.blockSize - 1) / Self.blockSize)
    let threadCount = blockCount * Self.blockSize
    let elementsPerPass = threadCount * Self.elementsPerDraw
    let passCount = (count - 1) / elementsPerPass + 1
    var values = [Float](repeating: 0, count: count)
    for pass in 0..<passCount {
      let counter = offset / UInt64(Self.elementsPerDraw) + UInt64(pass)
      for thread in 0..<min(threadCount, count - pass * elementsPerPass) {
        let normals = Self.normals(seed: seed, subsequence: UInt64(thread), counter: counter)
        for lane in 0..<Self.elementsPerDraw {
          let index = pass * elementsPerPass + lane * threadCount + thread
          if index < count { values[index] = normals[lane] }
        }
      }
    }
    offset += UInt64(passCount * Self.elementsPerDraw)
    return values
  }

  /// The four normals of one draw of one thread, as `curand_normal4` forms them.
  private static func normals(seed: UInt64, subsequence: UInt64, counter: UInt64) -> SIMD4<Float> {
    let words = Philox.block(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
        UInt32(truncatingIfNeeded: subsequence), UInt32(truncatingIfNeeded: subsequence >> 32)),
      key: seed)
    let (sine0, cosine0) = boxMuller(words.x, words.y)
    let (sine1, cosine1) = boxMuller(words.z, words.w)
    return SIMD4(sine0, cosine0, sine1, cosine1)
  }

  private static func boxMuller(_ radiusWord: UInt32, _ angleWord: UInt32) -> (sine: Float, cosine: Float) {
    let radius = (-2 * log((Double(radiusWord) + 0.5) * 0x1p-32)).squareRoot()
    let angle = 2 * Double.pi * ((Double(angleWord) + 0.5) * 0x1p-32)
    return (Float(radius * sin(angle)), Float(radius * cos(angle)))
  }
}
