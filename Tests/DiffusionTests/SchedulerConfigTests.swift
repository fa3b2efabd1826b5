import Foundation
import TestSupport
import Testing

@testable import Diffusion

@Suite struct SchedulerConfigTests {
  private func read(_ json: String) throws -> SchedulerConfig {
    let folder = try TemporaryFolder()
    let file = folder.url.appending(path: "scheduler_config.json")
    try Data(json.utf8).write(to: file)
    return try SchedulerConfig(contentsOf: file)
  }

  @Test(arguments: ["sd15", "sd21", "sd21-base"])
  func theFilesOfStableDiffusionAreRead(_ model: String) throws {
    let file = Fixtures.folder.appending(path: "configs/\(model)/scheduler/scheduler_config.json")
    let config = try SchedulerConfig(contentsOf: file)
    let usual = SchedulerConfig.stableDiffusion(predicting: model == "sd21" ? .velocity : .epsilon)
    #expect(NoiseSchedule(config) == NoiseSchedule(usual))
    var (scheduler, expected) = (try config.makeScheduler(), DDIMScheduler(usual))
    #expect(scheduler.predictionType == expected.predictionType)
    try scheduler.setTimesteps(20)
    try expected.setTimesteps(20)
    #expect(Set(scheduler.timesteps) == Set(expected.timesteps))
  }

  @Test func missingKeysAreLeftToTheScheduler() throws {
    let config = try read("{}")
    #expect(config == SchedulerConfig())
    #expect(NoiseSchedule(config).betas.count == 1000)
    #expect(NoiseSchedule(config).betas[999] == 0.02)
    #expect(try read(#"{"clip_sample": null, "trained_betas": null}"#) == SchedulerConfig())
  }

  @Test func settingsAreWrittenUnderTheirNames() throws {
    var config = SchedulerConfig.stableDiffusion(predicting: .velocity)
    config.className = "DDIMScheduler"
    config.trainedBetas = [0.25, 0.5]
    let json = try #require(String(data: JSONEncoder().encode(config), encoding: .utf8))
    #expect(json.contains(#""prediction_type":"v_prediction""#) && json.contains(#""_class_name":"DDIMScheduler""#))
    #expect(try read(json) == config)
  }

  @Test func settingsOfOtherSamplersPass() throws {
    let config = try read(
      #"{"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true, "thresholding": false, "sigma_max": null}"#
    )
    #expect(throws: SchedulerError.unsupportedClass("EulerDiscreteScheduler")) { try config.makeScheduler() }
  }

  /// Settings that would change the numbers, and the key that the message must name.
  @Test(arguments: [
    (#"{"beta_schedule": "sigmoid"}"#, "beta_schedule"),
    (#"{"prediction_type": "flow_prediction"}"#, "prediction_type"),
    (#"{"timestep_spacing": "log"}"#, "timestep_spacing"),
    (#"{"variance_type": "learned_range"}"#, "variance_type"),
    (#"{"thresholding": true}"#, "thresholding"),
    (#"{"beta_strat": 0.1}"#, "beta_strat"),
    (#"{"num_train_timesteps": 1}"#, "num_train_timesteps"),
    (#"{"beta_start": -0.1}"#, "beta_start"),
    (#"{"beta_end": 1}"#, "beta_end"),
    (#"{"steps_offset": -1}"#, "steps_offset"),
    (#"{"steps_offset": 9223372036854775807}"#, "steps_offset"),
    (#"{"clip_sample_range": 0}"#, "clip_sample_range"),
    (#"{"trained_betas": [0.1, 2]}"#, "trained_betas"),
    (#"{"clip_sample": "yes"}"#, "clip_sample"),
    (#"{"clip_sample": "#, "scheduler_config.json"),
  ])
  func whatCannotBeHonouredIsRefusedByName(_ json: String, _ key: String) throws {
    let error = try #require(throws: SchedulerError.self) { try read(json) }
    #expect(error.description.contains(key), "\(error)")
  }

  @Test func whatPNDMCannotDoIsRefused() throws {
    for json in [#"{"prediction_type": "sample"}"#, #"{"rescale_betas_zero_snr": true}"#] {
      let config = try read(json)
      #expect(throws: SchedulerError.self) { try PNDMScheduler(config) }
    }
  }
}
