import Foundation

/// How much of the sample and how much noise each training timestep holds.
///
/// A noisy sample is √ᾱ · sample + √(1 - ᾱ) · noise, where ᾱ is the product of all 1 - β up to its timestep
/// (J. Ho, A. Jain, P. Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020). The numbers are those of
/// diffusers: computed in Float32, the product accumulated in Float64.
public struct NoiseSchedule: Sendable, Equatable {
  /// The variance that each timestep adds.
  public let betas: [Float]

  /// ᾱ of each timestep.
  public let alphasCumulativeProduct: [Float]

  /// The schedule that a configuration describes.
  public init(_ config: SchedulerConfig) {
    var betas = config.trainedBetas ?? Self.betas(config)
    if config.rescaleBetasZeroSNR ?? false { betas = Self.rescaledToZeroTerminalSNR(betas) }
    self.init(betas: betas)
  }

  /// The schedule with the given variances.
  public init(betas: [Float]) {
    self.betas = betas
    alphasCumulativeProduct = Self.cumulativeProduct(betas.map { 1 - $0 })
  }

  /// The number of timesteps.
  public var count: Int { betas.count }

  /// √ᾱ: how much of the sample is left at `timestep`.
  public func signal(_ timestep: Int) -> Float { alphasCumulativeProduct[timestep].squareRoot() }

  /// √(1 - ᾱ): how much noise there is at `timestep`.
  public func noise(_ timestep: Int) -> Float { (1 - alphasCumulativeProduct[timestep]).squareRoot() }

  /// ᾱ / (1 - ᾱ), as the weights of T. Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy",
  /// ICCV 2023, need it.
  public func signalToNoiseRatio(_ timestep: Int) -> Float {
    let ratio = signal(timestep) / noise(timestep)
    return ratio * ratio
  }

  private static func betas(_ config: SchedulerConfig) -> [Float] {
    let count = config.trainTimestepCount ?? SchedulerConfig.standardTimestepCount
    let (start, end) = (config.betaStart ?? 0.0001, config.betaEnd ?? 0.02)
    switch config.betaSchedule ?? .linear {
    case .linear: return linspace(start, end, count)
    case .scaledLinear: return linspace(start.squareRoot(), end.squareRoot(), count).map { $0 * $0 }
    case .squaredCosine: return squaredCosineBetas(count)
    }
  }

  /// `torch.linspace` in Float32: from both ends towards the middle, each value with one rounding.
  private static func linspace(_ start: Double, _ end: Double, _ count: Int) -> [Float] {
    let (start, end) = (Float(start), Float(end))
    let step = (end - start) / Float(count - 1)
    return (0..<count).map { index in
      index < count / 2
        ? start.addingProduct(step, Float(index)) : end.addingProduct(-step, Float(count - 1 - index))
    }
  }

  /// A. Nichol, P. Dhariwal, "Improved Denoising Diffusion Probabilistic Models", ICML 2021, equation 17.
  private static func squaredCosineBetas(_ count: Int) -> [Float] {
    func alphaBar(_ time: Double) -> Double {
      let cosine = cos((time + 0.008) / 1.008 * .pi / 2)
      return cosine * cosine
    }
    return (0..<count).map { index in
      let (now, next) = (Double(index) / Double(count), Double(index + 1) / Double(count))
      return Float(min(1 - alphaBar(next) / alphaBar(now), 0.999))
    }
  }

  /// S. Lin, B. Liu, J. Li, X. Yang, "Common Diffusion Noise Schedules and Sample Steps are Flawed", WACV 2024,
  /// algorithm 1.
  private static func rescaledToZeroTerminalSNR(_ betas: [Float]) -> [Float] {
    let signals = cumulativeProduct(betas.map { 1 - $0 }).map { $0.squareRoot() }
    guard let first = signals.first, let last = signals.last else { return betas }
    let scale = first / (first - last)
    let products = signals.map { signal in
      let rescaled = (signal - last) * scale
      return rescaled * rescaled
    }
    return products.indices.map { 1 - ($0 == 0 ? products[0] : products[$0] / products[$0 - 1]) }
  }

  private static func cumulativeProduct(_ values: [Float]) -> [Float] {
    var product = 1.0
    return values.map { value in
      product *= Double(value)
      return Float(product)
    }
  }
}
