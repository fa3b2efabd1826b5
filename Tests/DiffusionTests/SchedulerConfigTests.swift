import Foundation
import TestSupport
import Testing

@testable import Diffusion

@Suite struct SchedulerConfigTests {
  private func read(_ json: String) throws -> SchedulerConfig {
    try SchedulerConfig(json: Data(json.utf8), file: "scheduler_config.json")
  }

  @Test(arguments: ["sd15", "sd21", "sd21-base"])
  func theFilesOfStableDiffusionAreRead(_ model: String) throws {
    let config = try ModelFolder(Fixtures.configs(model)).schedulerConfiguration
    var expected = SchedulerConfig()
    expected.className = model == "sd21" ? "DDIMScheduler" : "PNDMScheduler"
    expected.trainTimestepCount = 1000
    (expected.betaStart, expected.betaEnd, expected.betaSchedule) = (0.00085, 0.012, .scaledLinear)
    expected.predictionType = ["sd21": .velocity, "sd21-base": .epsilon][model]
    (expected.stepsOffset, expected.clipSample) = (1, false)
    (expected.setAlphaToOne, expected.skipPRKSteps) = (false, true)
    #expect(config == expected)
    let scheduler = try config.makeScheduler()
    #expect(scheduler.predictionType == (model == "sd21" ? .velocity : .epsilon))
    #expect(scheduler is PNDMScheduler == (model != "sd21"))
  }

  @Test func aNamedSamplerReplacesTheModelsOwn() throws {
    let config = try read(#"{"_class_name": "EulerDiscreteScheduler"}"#)
    #expect(try config.makeScheduler(named: .ddim) is DDIMScheduler)
    #expect(try config.makeScheduler(named: .ddpm) is DDPMScheduler)
    #expect(try config.makeScheduler(named: .pndm) is PNDMScheduler)
    #expect(throws: SchedulerError.unsupportedClass("EulerDiscreteScheduler")) { try config.makeScheduler() }
  }

  @Test func missingKeysAreLeftToTheScheduler() throws {
    let config = try read("{}")
    #expect(config == SchedulerConfig())
    #expect(NoiseSchedule(config).betas.count == 1000)
    #expect(NoiseSchedule(config).betas[999] == 0.02)
    #expect(try read(#"{"clip_sample": null, "trained_betas": null}"#) == SchedulerConfig())
  }

  @Test func everySettingIsRead() throws {
    let config = try read(
      #"""
      {"_class_name": "DDPMScheduler", "num_train_timesteps": 2, "trained_betas": [0.25, 0.5],
       "rescale_betas_zero_snr": true, "prediction_type": "v_prediction", "timestep_spacing": "trailing",
       "clip_sample": true, "clip_sample_range": 0.75, "variance_type": "fixed_large"}
      """#)
    #expect(config.trainTimestepCount == 2 && config.trainedBetas == [0.25, 0.5])
    #expect(config.rescaleBetasZeroSNR == true && config.predictionType == .velocity)
    #expect(config.timestepSpacing == .trailing && config.varianceType == .fixedLarge)
    #expect(config.clipSample == true && config.clipSampleRange == 0.75)
  }

  @Test func settingsOfOtherSamplersPass() throws {
    _ = try read(
      #"""
      {"_class_name": "DDIMScheduler", "use_karras_sigmas": true, "solver_order": 3, "sigma_max": null,
       "thresholding": false, "sample_max_value": 2, "timestep_type": "discrete", "use_flow_sigmas": false}
      """#)
  }

  /// Settings that would change the numbers, and the key that the message must name.
  @Test(arguments: [
    (#"{"beta_schedule": "sigmoid"}"#, "beta_schedule"),
    (#"{"prediction_type": "flow_prediction"}"#, "prediction_type"),
    (#"{"timestep_spacing": "log"}"#, "timestep_spacing"),
    (#"{"variance_type": "learned_range"}"#, "variance_type"),
    (#"{"thresholding": true}"#, "thresholding"),
    (#"{"timestep_type": "continuous"}"#, "timestep_type"),
    (#"{"use_flow_sigmas": true}"#, "use_flow_sigmas"),
    (#"{"use_dynamic_shifting": true}"#, "use_dynamic_shifting"),
    (#"{"beta_strat": 0.1}"#, "beta_strat"),
    (#"{"num_train_timesteps": 1}"#, "num_train_timesteps"),
    (#"{"beta_start": -0.1}"#, "beta_start"),
    (#"{"beta_end": 1}"#, "beta_end"),
    (#"{"steps_offset": -1}"#, "steps_offset"),
    (#"{"steps_offset": 9223372036854775807}"#, "steps_offset"),
    (#"{"clip_sample_range": 0}"#, "clip_sample_range"),
    (#"{"num_train_timesteps": 2, "trained_betas": [0.1, 2]}"#, "trained_betas"),
    (#"{"trained_betas": [0.1, 0.2]}"#, "trained_betas has 2 entries for num_train_timesteps 1000"),
    (#"{"num_train_timesteps": 3, "trained_betas": [0.1, 0.2]}"#, "num_train_timesteps 3"),
    (#"{"clip_sample": "yes"}"#, "clip_sample"),
    (#"{"clip_sample": "#, "scheduler_config.json"),
  ])
  func whatCannotBeHonouredIsRefusedByName(_ json: String, _ key: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try read(json) }
    #expect(error.description.contains(key) && error.description.contains("scheduler_config.json"), "\(error)")
  }

  @Test func whatPNDMCannotDoIsRefused() throws {
    for json in [#"{"prediction_type": "sample"}"#, #"{"rescale_betas_zero_snr": true}"#] {
      let config = try read(json)
      #expect(throws: SchedulerError.self) { try PNDMScheduler(config) }
    }
  }
}
