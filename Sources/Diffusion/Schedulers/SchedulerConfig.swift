import Foundation
import Tensor

/// What the model's output means.
public enum PredictionType: String, Codable, Sendable, CaseIterable {
  /// The noise that was added.
  case epsilon
  /// √ᾱ · noise - √(1 - ᾱ) · sample (Salimans and Ho, 2022, appendix D).
  case velocity = "v_prediction"
  /// The sample without noise.
  case sample
}

/// How the sampling steps are spread over the training timesteps (Lin et al., 2024, table 2).
public enum TimestepSpacing: String, Codable, Sendable, CaseIterable {
  /// From 0 to the last timestep, both included.
  case linspace
  /// Multiples of a whole number, plus `stepsOffset`; the last timesteps are left out.
  case leading
  /// Down from the last timestep, which is included.
  case trailing
}

/// How much noise each training timestep adds.
public enum BetaSchedule: String, Codable, Sendable, CaseIterable {
  /// β grows linearly (Ho et al., 2020).
  case linear
  /// √β grows linearly (Stable Diffusion).
  case scaledLinear = "scaled_linear"
  /// ᾱ follows a squared cosine (Nichol and Dhariwal, 2021).
  case squaredCosine = "squaredcos_cap_v2"
}

/// The variance of the noise that DDPM adds in a step.
public enum VarianceType: String, Codable, Sendable, CaseIterable {
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
public struct SchedulerConfig: Codable, Sendable, Equatable {
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
  /// The version of diffusers that wrote the file.
  public var diffusersVersion: String?

  /// A configuration that leaves everything to the schedulers' defaults.
  public init() {}

  /// Stable Diffusion's configuration, for the given prediction.
  public static func stableDiffusion(predicting predictionType: PredictionType = .epsilon) -> SchedulerConfig {
    var config = SchedulerConfig()
    config.trainTimestepCount = 1000
    config.betaStart = 0.00085
    config.betaEnd = 0.012
    config.betaSchedule = .scaledLinear
    config.predictionType = predictionType
    config.timestepSpacing = .leading
    config.stepsOffset = 1
    config.clipSample = false
    config.setAlphaToOne = false
    config.skipPRKSteps = true
    return config
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case className = "_class_name"
    case diffusersVersion = "_diffusers_version"
    case trainTimestepCount = "num_train_timesteps"
    case betaStart = "beta_start"
    case betaEnd = "beta_end"
    case betaSchedule = "beta_schedule"
    case trainedBetas = "trained_betas"
    case rescaleBetasZeroSNR = "rescale_betas_zero_snr"
    case predictionType = "prediction_type"
    case timestepSpacing = "timestep_spacing"
    case stepsOffset = "steps_offset"
    case clipSample = "clip_sample"
    case clipSampleRange = "clip_sample_range"
    case setAlphaToOne = "set_alpha_to_one"
    case skipPRKSteps = "skip_prk_steps"
    case varianceType = "variance_type"
  }
}

// MARK: - Reading

extension SchedulerConfig {
  /// Settings of diffusers that say nothing to the schedulers here, whatever their value.
  ///
  /// The first group belongs to dynamic thresholding, which is refused where it is switched on; the others steer
  /// samplers of other classes.
  static let irrelevantKeys: Set<String> = [
    "dynamic_thresholding_ratio", "sample_max_value",
    "algorithm_type", "euler_at_final", "final_sigmas_type", "flow_shift", "interpolation_type",
    "lambda_min_clipped", "lower_order_final", "solver_order", "solver_type", "sigma_max", "sigma_min",
    "time_shift_type", "timestep_type", "use_beta_sigmas", "use_dynamic_shifting", "use_exponential_sigmas",
    "use_flow_sigmas", "use_karras_sigmas", "use_lu_lambdas",
  ]

  /// Reads scheduler_config.json.
  public init(contentsOf file: URL) throws(SchedulerError) {
    let json: Data
    do {
      json = try Data(contentsOf: file)
    } catch {
      throw .unreadable(file: file.path, reason: error.localizedDescription)
    }
    try self.init(json: json, file: file.path)
  }

  /// Reads the contents of a scheduler_config.json.
  ///
  /// - Parameter file: the file's name, for error messages.
  public init(json: Data, file: String) throws(SchedulerError) {
    do {
      self = try JSONDecoder().decode(SchedulerConfig.self, from: json)
    } catch let error as SchedulerError {
      throw error
    } catch {
      throw .unreadable(file: file, reason: (error as? DecodingError)?.reason ?? error.localizedDescription)
    }
  }

  /// Reads the settings; refuses, by name, those that would change the numbers and are not supported.
  public init(from decoder: any Decoder) throws {
    for key in try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue) {
      let isKnown = CodingKeys(rawValue: key) != nil || key == Self.thresholding || Self.irrelevantKeys.contains(key)
      // Names that begin with an underscore are diffusers' own notes.
      guard isKnown || key.hasPrefix("_") else { throw SchedulerError.unknownKey(key) }
    }
    let settings = try decoder.container(keyedBy: CodingKeys.self)
    func value<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
      try settings.decodeIfPresent(Value.self, forKey: key)
    }
    func choice<Value: RawRepresentable<String> & CaseIterable>(_ key: CodingKeys) throws -> Value? {
      guard let name: String = try value(key) else { return nil }
      guard let choice = Value(rawValue: name) else {
        throw SchedulerError.unsupported(
          key: key.rawValue, value: "'\(name)'",
          supported: Value.allCases.map { "'\($0.rawValue)'" }.joined(separator: " or "))
      }
      return choice
    }
    if try decoder.container(keyedBy: AnyKey.self).decodeIfPresent(Bool.self, forKey: AnyKey(Self.thresholding)) == true
    {
      throw SchedulerError.unsupported(key: Self.thresholding, value: "true", supported: "false")
    }
    className = try value(.className)
    diffusersVersion = try value(.diffusersVersion)
    trainTimestepCount = try value(.trainTimestepCount)
    betaStart = try value(.betaStart)
    betaEnd = try value(.betaEnd)
    betaSchedule = try choice(.betaSchedule)
    trainedBetas = try value(.trainedBetas)
    rescaleBetasZeroSNR = try value(.rescaleBetasZeroSNR)
    predictionType = try choice(.predictionType)
    timestepSpacing = try choice(.timestepSpacing)
    stepsOffset = try value(.stepsOffset)
    clipSample = try value(.clipSample)
    clipSampleRange = try value(.clipSampleRange)
    setAlphaToOne = try value(.setAlphaToOne)
    skipPRKSteps = try value(.skipPRKSteps)
    varianceType = try choice(.varianceType)
    try checkRanges()
  }

  private static let thresholding = "thresholding"

  /// Refuses numbers with which no schedule can be made.
  private func checkRanges() throws(SchedulerError) {
    func refuse(_ key: CodingKeys, _ value: Any, _ supported: String) -> SchedulerError {
      .unsupported(key: key.rawValue, value: "\(value)", supported: supported)
    }
    if let count = trainTimestepCount, count < 2 || count > 1_000_000 {
      throw refuse(.trainTimestepCount, count, "a number from 2 to 1000000")
    }
    if let offset = stepsOffset, offset < 0 || offset > 1_000_000 {
      throw refuse(.stepsOffset, offset, "a number from 0 to 1000000")
    }
    if let range = clipSampleRange, !(range > 0) { throw refuse(.clipSampleRange, range, "a number above 0") }
    for (key, beta) in [(CodingKeys.betaStart, betaStart), (.betaEnd, betaEnd)] {
      if let beta, !(beta > 0 && beta < 1) { throw refuse(key, beta, "a number between 0 and 1") }
    }
    if let betas = trainedBetas, betas.count < 2 || !betas.allSatisfy({ $0 >= 0 && $0 <= 1 }) {
      throw refuse(.trainedBetas, "a list of \(betas.count) numbers", "two or more numbers from 0 to 1")
    }
  }

  /// A key of any name.
  private struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
  }
}
