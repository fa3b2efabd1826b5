/// The 256 numbers that an 8-bit code stands for, in units of the largest magnitude of its block: the dynamic tree
/// quantisation of Dettmers, *8-bit Approximations for Parallelism in Deep Learning* (ICLR 2016).
///
/// Seven decades, from 10⁻⁷ to 1, are divided evenly, the larger ones more finely, and a code stands for the middle of
/// its part. 0 and 1 have codes of their own. These are the numbers of bitsandbytes' dynamic map.
public struct QuantizationMap: Sendable, Hashable {
  /// What the codes stand for, in rising order.
  public let values: [Float]
  /// Halfway between each code's number and the next one's. A number has the code of the first that it does not exceed.
  let midpoints: [Float]

  /// Numbers of both signs, for the mean of gradients; every decade has twice as many parts as the one below it.
  public static let signed = QuantizationMap(isSigned: true)
  /// Numbers from 0 on, in parts half as wide, for the mean of squared gradients.
  public static let unsigned = QuantizationMap(isSigned: false)

  private init(isSigned: Bool) {
    var numbers = [0.0, 1.0]
    for (index, upperEnd) in [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1].enumerated() {
      let parts = (isSigned ? 1 : 2) << index
      for part in 0..<parts {
        let number = upperEnd * (0.1 + 0.9 * (Double(part) + 0.5) / Double(parts))
        numbers += isSigned ? [number, -number] : [number]
      }
    }
    let values = numbers.sorted().map { Float($0) }
    self.values = values
    midpoints = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
  }

  /// The code of the nearest number, of the smaller one where two are equally near.
  @inline(__always)
  public func code(of number: Float) -> UInt8 {
    var code = 0
    var step = 128
    while step > 0 {
      if code + step <= midpoints.count && number > midpoints[code + step - 1] { code += step }
      step /= 2
    }
    return UInt8(code)
  }
}

/// Blocks of numbers that share a scale: what 8-bit optimisers keep (Dettmers et al., *8-bit Optimizers via Block-wise
/// Quantization*, ICLR 2022).
public enum QuantizedBlock {
  /// The numbers that share one scale, their largest magnitude.
  public static let size = 256

  /// The number of blocks that hold so many numbers.
  public static func count(of numbers: Int) -> Int { (numbers + size - 1) / size }

  /// What the numbers of a block are multiplied by before they get their codes.
  ///
  /// A block whose largest magnitude is below the normal range counts as zero, since its inverse would be infinite.
  static func inverse(ofScale scale: Float) -> Float { scale >= .leastNormalMagnitude ? 1 / scale : 0 }

  /// The codes and the scales of numbers.
  public static func quantize(_ numbers: [Float], _ map: QuantizationMap) -> (codes: [UInt8], scales: [Float]) {
    var codes: [UInt8] = []
    codes.reserveCapacity(numbers.count)
    var scales: [Float] = []
    for start in stride(from: 0, to: numbers.count, by: size) {
      let block = numbers[start..<min(start + size, numbers.count)]
      let scale = block.reduce(0) { max($0, abs($1)) }
      let inverse = inverse(ofScale: scale)
      scales.append(scale)
      codes += block.map { map.code(of: $0 * inverse) }
    }
    return (codes, scales)
  }

  /// The numbers that codes and scales stand for.
  public static func dequantize(_ codes: [UInt8], _ scales: [Float], _ map: QuantizationMap) -> [Float] {
    codes.enumerated().map { map.values[Int($1)] * scales[$0 / size] }
  }
}

/// The moments of AdamW in 8 bits: a code for every number, and a scale for every block of `QuantizedBlock.size` of them.
public struct QuantizedMoments: Sendable {
  /// The codes [n] of the mean gradients under `QuantizationMap.signed`, uint8.
  public let codes1: Tensor
  /// The largest magnitude of each block of them [blocks], Float32.
  public let scales1: Tensor
  /// The codes [n] of the mean squared gradients under `QuantizationMap.unsigned`, uint8.
  public let codes2: Tensor
  /// The largest of each block of them [blocks], Float32.
  public let scales2: Tensor

  /// Moments that lie in the given tensors.
  public init(codes1: Tensor, scales1: Tensor, codes2: Tensor, scales2: Tensor) {
    require(
      [codes1, codes2].allSatisfy { $0.dtype == .uint8 && $0.count == codes1.count }
        && [scales1, scales2].allSatisfy {
          $0.dtype == .float32 && $0.count == QuantizedBlock.count(of: codes1.count)
        },
      "QuantizedMoments: \([codes1, scales1, codes2, scales2].map(\.shape)) are not codes and scales")
    self.codes1 = codes1
    self.scales1 = scales1
    self.codes2 = codes2
    self.scales2 = scales2
  }

  /// Moments of `count` numbers, all zero.
  public init(zeros count: Int, on backend: any Backend) {
    func codes() -> Tensor { Tensor(repeating: 0, [count], dtype: .uint8, on: backend) }
    func scales() -> Tensor { Tensor(repeating: 0, [QuantizedBlock.count(of: count)], on: backend) }
    self.init(codes1: codes(), scales1: scales(), codes2: codes(), scales2: scales())
  }

  /// The moments of `count` numbers from `offset` on, which begins a block.
  public func part(at offset: Int, count: Int) -> QuantizedMoments {
    require(offset.isMultiple(of: QuantizedBlock.size), "QuantizedMoments: no block begins at \(offset)")
    let (first, blocks) = (offset / QuantizedBlock.size, QuantizedBlock.count(of: count))
    return QuantizedMoments(
      codes1: codes1.part(at: offset, [count]), scales1: scales1.part(at: first, [blocks]),
      codes2: codes2.part(at: offset, [count]), scales2: scales2.part(at: first, [blocks]))
  }
}
