import Foundation
import Tensor

/// How a resized pixel is mixed from those it covers; the names and kernels are PIL's.
public enum ResamplingFilter: String, Sendable, Hashable, Codable, CaseIterable {
  case nearest
  case box
  case bilinear
  case bicubic
  case lanczos

  /// Half the kernel's width, in pixels of the coarser picture.
  var support: Double {
    switch self {
    case .nearest: 0
    case .box: 0.5
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The weight of a pixel at distance `x` from the middle.
  func kernel(_ x: Double) -> Double {
    let distance = abs(x)
    switch self {
    case .nearest:
      return 1
    case .box:
      return x > -0.5 && x <= 0.5 ? 1 : 0
    case .bilinear:
      return distance < 1 ? 1 - distance : 0
    case .bicubic:
      // Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 15.
      let a = -0.5
      if distance < 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
      if distance < 2 { return (((distance - 5) * distance + 8) * distance - 4) * a }
      return 0
    case .lanczos:
      // A sinc, windowed by its own main lobe stretched three times.
      return x >= -3 && x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
    }
  }

  private static func sinc(_ x: Double) -> Double {
    x == 0 ? 1 : sin(x * .pi) / (x * .pi)
  }
}

/// The weights with which one axis is resized: output `i` mixes the inputs from `starts[i]` on.
///
/// Shrinking widens the kernel so that every input pixel counts (antialiasing). The weights are integers with
/// `fractionBits` bits behind the point, which leaves room for 8-bit pixels and a sign in 32 bits; both the precision
/// and the rounding are PIL's, so that its results come out bit for bit.
struct ResamplingWeights {
  static let fractionBits: Int32 = 32 - 8 - 2
  static let half: Int32 = 1 << (fractionBits - 1)

  /// The first input of each output.
  let starts: [Int]
  /// How many inputs each output mixes.
  let counts: [Int]
  /// The weights of output `i` begin at `i * stride`.
  let weights: [Int32]
  /// The largest number of inputs of an output.
  let stride: Int

  /// The weights that turn `inputSize` pixels into `outputSize`.
  init(filter: ResamplingFilter, inputSize: Int, outputSize: Int) {
    let scale = Double(inputSize) / Double(outputSize)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    var starts: [Int] = []
    var counts: [Int] = []
    let stride = Int(support.rounded(.up)) * 2 + 1
    var weights = [Int32](repeating: 0, count: outputSize * stride)
    for output in 0..<outputSize {
      let center = (Double(output) + 0.5) * scale
      let start = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), inputSize)
      let inverseStretch = 1 / stretch
      let kernel = (start..<end).map { filter.kernel((Double($0) - center + 0.5) * inverseStretch) }
      let sum = kernel.reduce(0, +)
      for (tap, weight) in kernel.enumerated() {
        let scaled = (sum == 0 ? weight : weight / sum) * Double(1 << Self.fractionBits)
        weights[output * stride + tap] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
      }
      starts.append(start)
      counts.append(end - start)
    }
    (self.starts, self.counts, self.weights, self.stride) = (starts, counts, weights, stride)
  }
}
