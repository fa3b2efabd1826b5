import Diffusion
import Foundation
import TestSupport
import Testing

/// Steps of a walk that are recorded and replayed are the steps themselves, byte for byte.
@Suite struct RecordedSamplingTests {
  static let devices = Device.kinds.map(\.description) + ["repeating"]

  /// Every sampler, with and without noise, clipping and Runge-Kutta steps.
  static let samplers: [(name: String, make: @Sendable () throws -> any Scheduler)] = [
    ("ddim", { DDIMScheduler(try Fixtures.stableDiffusionSchedule()) }),
    (
      "ddim with noise",
      {
        var scheduler = DDIMScheduler(try clipping())
        scheduler.eta = 0.5
        return scheduler
      }
    ),
    ("ddpm", { DDPMScheduler(try clipping()) }),
    ("plms", { try PNDMScheduler(try Fixtures.stableDiffusionSchedule()) }),
    (
      "prk",
      {
        var config = try Fixtures.stableDiffusionSchedule()
        config.skipPRKSteps = false
        return try PNDMScheduler(config)
      }
    ),
  ]

  @Sendable private static func clipping() throws -> SchedulerConfig {
    var config = try Fixtures.stableDiffusionSchedule()
    config.clipSample = true
    return config
  }

  private func backend(_ name: String) -> any Backend {
    Device.kinds.first { $0.description == name }?.backend ?? RepeatingBackend()
  }

  private func pipeline(on backend: any Backend, recordsSteps: Bool = true) throws -> TextToImage {
    try TextToImage(ModelFolder(Fixtures.model("tiny-sample")), on: backend, recordsSteps: recordsSteps)
  }

  private func request(_ seed: UInt64, guidanceScale: Float = 7.5, height: Int? = nil) -> TextToImageRequest {
    var request = TextToImageRequest(prompts: ["a dog"])
    (request.steps, request.seeds, request.guidanceScale, request.height) = (7, [seed], guidanceScale, height)
    return request
  }

  /// Three pictures, so that every form of a transition is replayed, of one size but with other numbers.
  @Test(arguments: samplers.indices, devices)
  func recordedStepsAreTheStepsThemselves(_ sampler: Int, _ device: String) throws {
    let backend = backend(device)
    let scheduler = try Self.samplers[sampler].make()
    func samples(recordsSteps: Bool) throws -> [[Float]] {
      let pipeline = try pipeline(on: backend, recordsSteps: recordsSteps)
      let pictures: [(seed: UInt64, guidance: Float)] = [(1, 7.5), (2, 3), (3, 1), (4, 5), (5, 7.5)]
      return try pictures.flatMap { seed, guidance in
        var steps: [Tensor] = []
        let latents = try pipeline.latents(request(seed, guidanceScale: guidance), scheduler: scheduler) {
          steps.append($0.latents)
        }
        // Read at the end: what progress has told stays as it was.
        return steps.map { $0.floats() } + [latents.floats()]
      }
    }
    let eager = try samples(recordsSteps: false)
    #expect((backend as? RepeatingBackend)?.replayCount ?? 0 == 0)
    #expect(try samples(recordsSteps: true) == eager)
    // Seven predictions of five pictures, none of which are those of the first two steps of each of the two sizes.
    if let backend = backend as? RepeatingBackend { #expect(backend.replayCount > 5 * 7 - 3 * 2) }
    // The samples differ from step to step but for the last, which is told of twice.
    #expect(Set(eager).count == eager.count - 5)
  }

  /// Pictures of other extents or samplers do not get an earlier picture's steps.
  @Test(arguments: devices)
  func whatDiffersIsNotReplayed(_ device: String) throws {
    let backend = backend(device)
    let (recording, eager) = (
      try pipeline(on: backend), try pipeline(on: backend, recordsSteps: false)
    )
    for (name, make) in Self.samplers {
      let scheduler = try make()
      for request in [request(1), request(1, guidanceScale: 1), request(1, height: 10)] {
        let found = try recording.latents(request, scheduler: scheduler)
        #expect(try found.floats() == eager.latents(request, scheduler: scheduler).floats(), "\(name)")
      }
      let found = try recording.latents(request(2), scheduler: scheduler)
      #expect(try found.floats() == eager.latents(request(2), scheduler: scheduler).floats(), "\(name)")
    }
  }

  @Test func recordingsAreForgottenOnRequest() throws {
    let backend = CPUBackend()
    let pipeline = try pipeline(on: backend)
    let before = backend.memory.live
    _ = try pipeline.latents(request(1), scheduler: DDIMScheduler(Fixtures.stableDiffusionSchedule()))
    #expect(backend.memory.live > before)
    pipeline.forgetRecordings()
    #expect(backend.memory.live == before)
  }
}
