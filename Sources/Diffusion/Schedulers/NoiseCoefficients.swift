import Tensor

/// The tables of a noise schedule on a device, from which each sample of a batch takes its own timestep.
///
/// Nothing here waits for the device or depends on host values, so that a recorded training step stays valid.
public struct NoiseCoefficients: Sendable {
  /// √ᾱ of every timestep, [timesteps, 1].
  private let signal: Tensor

  /// √(1 - ᾱ) of every timestep, [timesteps, 1].
  private let noise: Tensor

  /// Copies the tables of `schedule` to a device.
  public init(_ schedule: NoiseSchedule, on backend: any Backend) {
    let timesteps = 0..<schedule.count
    signal = Tensor(timesteps.map(schedule.signal), [schedule.count, 1], on: backend)
    noise = Tensor(timesteps.map(schedule.noise), [schedule.count, 1], on: backend)
  }

  /// √ᾱ · sample + √(1 - ᾱ) · noise.
  ///
  /// `sample` and `noise` are Float32 [batch, ...]; `timesteps` is Int32 [batch].
  public func addNoise(_ sample: Tensor, _ noise: Tensor, timesteps: Tensor) -> Tensor {
    let (signalScale, noiseScale) = scales(of: sample, timesteps)
    return signalScale * sample + noiseScale * noise
  }

  /// √ᾱ · noise - √(1 - ᾱ) · sample (T. Salimans, J. Ho, "Progressive Distillation for Fast Sampling of Diffusion
  /// Models", ICLR 2022, appendix D).
  ///
  /// `sample` and `noise` are Float32 [batch, ...]; `timesteps` is Int32 [batch].
  public func velocity(_ sample: Tensor, _ noise: Tensor, timesteps: Tensor) -> Tensor {
    let (signalScale, noiseScale) = scales(of: sample, timesteps)
    return signalScale * noise - noiseScale * sample
  }

  /// What a model of the given kind should predict.
  ///
  /// `sample` and `noise` are Float32 [batch, ...]; `timesteps` is Int32 [batch].
  public func target(_ prediction: PredictionType, _ sample: Tensor, _ noise: Tensor, timesteps: Tensor) -> Tensor {
    switch prediction {
    case .epsilon: noise
    case .velocity: velocity(sample, noise, timesteps: timesteps)
    case .sample: sample
    }
  }

  /// √ᾱ and √(1 - ᾱ) of each sample, [batch, 1, ...].
  private func scales(of sample: Tensor, _ timesteps: Tensor) -> (signal: Tensor, noise: Tensor) {
    require(
      timesteps.shape == [sample.shape[0]], "timesteps: \(timesteps.shape) does not give one to each of \(sample.shape)"
    )
    let shape = Shape([sample.shape[0]] + Array(repeating: 1, count: sample.shape.rank - 1))
    return (signal.gathered(timesteps).reshaped(shape), noise.gathered(timesteps).reshaped(shape))
  }
}
