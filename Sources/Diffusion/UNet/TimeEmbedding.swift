import Foundation

/// A timestep as a vector: sinusoids of many frequencies (Ho et al., 2020), then two matrices.
struct TimeEmbedding: Sendable {
  /// The sinusoids of every timestep, [timesteps, channels]. A constant on the device, so that a step needs no upload.
  private let sinusoids: Tensor
  private let linear1, linear2: Linear

  /// The slowest sinusoid's period over the fastest's.
  private static let periodRange = 10000.0

  /// - Parameters:
  ///   - channels: the number of sinusoids.
  ///   - width: the length of the resulting vector.
  ///   - timesteps: one more than the largest timestep.
  init(
    _ scope: Scope, _ channels: Int, width: Int, timesteps: Int, cosineFirst: Bool, frequencyShift: Double
  ) throws {
    linear1 = try Linear(scope["linear_1"], channels, width)
    linear2 = try Linear(scope["linear_2"], width, width)
    let table = Self.table(channels, timesteps: timesteps, cosineFirst: cosineFirst, frequencyShift: frequencyShift)
    sinusoids = Tensor(table, [timesteps, channels], on: scope.backend).cast(to: scope.computeType)
  }

  /// Int32 timesteps [batch] → [batch, width].
  func callAsFunction(_ timesteps: Tensor) -> Variable {
    linear2(linear1(Variable(sinusoids.gathered(timesteps))).silu())
  }

  /// All sinusoids, in single precision step by step as PyTorch computes them: at the last timesteps an angle is near
  /// 1000, and its rounding shows in the fourth decimal of a sine.
  private static func table(
    _ channels: Int, timesteps: Int, cosineFirst: Bool, frequencyShift: Double
  ) -> [Float] {
    let half = channels / 2
    let divisor = Float(Double(half) - frequencyShift)
    let frequencies = (0..<half).map { index -> Float in
      let exponent = Float(-log(periodRange)) * Float(index) / divisor
      return Float(exp(Double(exponent)))
    }
    var table = [Float](repeating: 0, count: timesteps * channels)
    let (cosine, sine) = cosineFirst ? (0, half) : (half, 0)
    for timestep in 0..<timesteps {
      let row = timestep * channels  // An odd last column stays 0.
      for (index, frequency) in frequencies.enumerated() {
        let angle = Double(Float(timestep) * frequency)
        table[row + cosine + index] = Float(cos(angle))
        table[row + sine + index] = Float(sin(angle))
      }
    }
    return table
  }
}
