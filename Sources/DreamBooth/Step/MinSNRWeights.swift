/// Weights that keep easy timesteps from dominating the loss (T. Hang et al., "Efficient Diffusion Training via Min-SNR
/// Weighting Strategy", ICCV 2023).
///
/// The error of the predicted picture is weighted by min(SNR, γ). Predicting noise or velocity instead has a weight of
/// SNR or SNR + 1 built in, which is divided out: min(SNR, γ) / SNR and min(SNR, γ) / (SNR + 1).
///
/// For noise this is what diffusers' `train_dreambooth.py` has. For velocity that script has min(SNR, γ) / SNR + 1, which
/// never falls below 1 and is 0 / 0 for a SNR of 0, and for the picture itself it has the weight for noise; its
/// `train_text_to_image.py` divides by SNR + 1 as the paper does, and so does this. With prior preservation the script
/// pairs the weights of the whole batch with the errors of the instance half, which fails unless the half is a single
/// picture, and leaves the class half unweighted. Here each picture, of the subject or of the class, has the weight of
/// its own timestep.
struct MinSNRWeights: Sendable {
  /// The weight of every timestep, [timesteps, 1].
  private let table: Tensor

  /// The weights of a noise schedule.
  ///
  /// - Parameter gamma: γ, usually 5.
  init(gamma: Double, _ schedule: NoiseSchedule, _ prediction: PredictionType, on backend: any Backend) {
    let weights = (0..<schedule.count).map { timestep in
      MinSNRWeights.weight(Double(schedule.signalToNoiseRatio(timestep)), gamma, prediction)
    }
    table = Tensor(weights.map(Float.init), [schedule.count, 1], on: backend)
  }

  /// The weight of each picture of a batch, [batch], for Int32 timesteps [batch].
  func callAsFunction(_ timesteps: Tensor) -> Tensor {
    table.gathered(timesteps).reshaped(timesteps.shape)
  }

  private static func weight(_ ratio: Double, _ gamma: Double, _ prediction: PredictionType) -> Double {
    switch prediction {
    // The first form would be 0/0 where nothing of the picture is left.
    case .epsilon: ratio <= gamma ? 1 : gamma / ratio
    case .velocity: min(ratio, gamma) / (ratio + 1)
    case .sample: min(ratio, gamma)
    }
  }
}
