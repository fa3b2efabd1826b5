import Foundation

/// What the model's output means.
public enum PredictionType: String, Sendable, CaseIterable {
  /// The noise that was added.
  case epsilon
  /// √ᾱ · noise - √(1 - ᾱ) · sample (Salimans and Ho, 2022, appendix D).
  case velocity = "v_prediction"
  /// The sample without noise.
  case sample
}

/// How the sampling steps are spread over the training timesteps (Lin et al., 2024, table 2).
public enum TimestepSpacing: String, Sendable, CaseIterable {
  /// From 0 to the last timestep, both included.
  case linspace
  /// Multiples of a whole number, plus `stepsOffset`; the last timesteps are left out.
  case leading
  /// Down from the last timestep, which is included.
  case trailing
}

/// How much noise each training timestep adds.
public enum BetaSchedule: String, Sendable, CaseIterable {
  /// β grows linearly (Ho et al., 2020).
  case linear
  /// √β grows linearly (Stable Diffusion).
  case scaledLinear = "scaled_linear"
  /// ᾱ follows a squared cosine (Nichol and Dhariwal, 2021).
  case squaredCosine = "squaredcos_cap_v2"
}

/// The variance of the noise that DDPM adds in a step.
public enum VarianceType: String, Sendable, CaseIterable {
  /// The variance of the posterior, β̃ (Ho et al., 2020, section 3.2).
  case fixedSmall = "fixed_small"
  /// The same by way of its logarithm.
  case fixedSmallLog = "fixed_small_log"
  /// β.
  case fixedLarge = "fixed_large"
}

/// scheduler_config.json as diffusers writes it.
///
/// A setting that the file leaves out is nil here: each scheduler has its own default for it, exactly as in diffusers.
public struct SchedulerConfig: Sendable, Equatable {
  /// The diffusers class that the file names.
  public var className: String?
  /// The number of training timesteps; 1000 by default.
  public var trainTimestepCount: Int?
  /// The first β; 0.0001 by default.
  public var betaStart: Double?
  /// The last β; 0.02 by default.
  public var betaEnd: Double?
  /// The way from the first β to the last; linear by default.
  public var betaSchedule: BetaSchedule?
  /// Every β, instead of a schedule.
  public var trainedBetas: [Float]?
  /// Whether the noise of the last timestep is made total (Lin et al., 2024); no by default.
  public var rescaleBetasZeroSNR: Bool?
  /// What the model predicts; the noise by default.
  public var predictionType: PredictionType?
  /// How sampling steps are spread; leading by default.
  public var timestepSpacing: TimestepSpacing?
  /// What `leading` adds to every timestep; 0 by default, 1 in Stable Diffusion.
  public var stepsOffset: Int?
  /// Whether the predicted sample is clipped; yes by default in DDPM and DDIM, no in Stable Diffusion.
  public var clipSample: Bool?
  /// The largest magnitude of a clipped sample; 1 by default.
  public var clipSampleRange: Float?
  /// Whether the step to before the first timestep assumes no noise at all; yes by default in DDIM, no in PNDM.
  public var setAlphaToOne: Bool?
  /// Whether PNDM does without its Runge-Kutta steps; no by default, yes in Stable Diffusion.
  public var skipPRKSteps: Bool?
  /// The variance of DDPM's noise; fixed_small by default.
  public var varianceType: VarianceType?

  /// A configuration that leaves everything to the schedulers' defaults.
  public init() {}
}

// MARK: - Reading

extension SchedulerConfig {
  /// Reads the contents of a scheduler_config.json.
  ///
  /// - Parameter file: the file's name, for error messages.
  /// - Throws: `ConfigurationError`, which names the file and the option at fault.
  public init(json: Data, file: String) throws(ConfigurationError) {
    var reader = try ConfigurationReader(json, file: file)
    className = try reader.string("_class_name")
    trainTimestepCount = try reader.integer("num_train_timesteps", in: 2...1_000_000)
    betaStart = try reader.number("beta_start", where: Self.isBeta, "a number between 0 and 1")
    betaEnd = try reader.number("beta_end", where: Self.isBeta, "a number between 0 and 1")
    betaSchedule = try reader.choice("beta_schedule")
    trainedBetas = try reader.numbers("trained_betas", in: 0...1)?.map { Float($0) }
    rescaleBetasZeroSNR = try reader.bool("rescale_betas_zero_snr")
    predictionType = try reader.choice("prediction_type")
    timestepSpacing = try reader.choice("timestep_spacing")
    stepsOffset = try reader.integer("steps_offset", in: 0...1_000_000)
    clipSample = try reader.bool("clip_sample")
    clipSampleRange = try reader.number("clip_sample_range", where: { $0 > 0 }, "a number above 0").map { Float($0) }
    setAlphaToOne = try reader.bool("set_alpha_to_one")
    skipPRKSteps = try reader.bool("skip_prk_steps")
    varianceType = try reader.choice("variance_type")
    try Self.refuseOtherOptions(&reader)
    let count = trainTimestepCount ?? Self.standardTimestepCount
    if let trainedBetas, trainedBetas.count != count {
      throw .inconsistent(
        file: file, reason: "trained_betas has \(trainedBetas.count) entries for num_train_timesteps \(count)")
    }
  }

  /// diffusers' default for the number of training timesteps.
  public static let standardTimestepCount = 1000

  private static func isBeta(_ value: Double) -> Bool { value > 0 && value < 1 }

  /// Lets options of diffusers' other samplers through only where they change nothing here.
  private static func refuseOtherOptions(_ reader: inout ConfigurationReader) throws(ConfigurationError) {
    // These say how samples are limited, or what the model itself was trained on.
    try reader.only("timestep_type", .null, "discrete")
    for option in ["thresholding", "use_flow_sigmas", "use_dynamic_shifting"] { try reader.only(option, .null, false) }
    // These count for nothing while the options above have their defaults.
    reader.ignore("dynamic_thresholding_ratio", "sample_max_value", "flow_shift", "time_shift_type")
    // These steer the walks of samplers that `makeScheduler` does not have; diffusers' own DDPM, DDIM and PNDM pass
    // over them as well.
    reader.ignore(
      "algorithm_type", "euler_at_final", "final_sigmas_type", "interpolation_type", "lambda_min_clipped",
      "lower_order_final", "sigma_max", "sigma_min", "solver_order", "solver_type", "use_beta_sigmas",
      "use_exponential_sigmas", "use_karras_sigmas", "use_lu_lambdas")
    try reader.finish()
  }
}
