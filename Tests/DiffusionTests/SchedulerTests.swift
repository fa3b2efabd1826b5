import Foundation
import Tensor
import TestSupport
import Testing

@testable import Diffusion

/// Walks of diffusers' samplers; see Fixtures/schedulers.py.
private struct SchedulerGolden: Decodable {
  /// A scheduler's configuration inside another file.
  struct Settings: Decodable {
    var config: SchedulerConfig

    init(from decoder: any Decoder) throws {
      let members = try [String: JSONValue](from: decoder)
      config = try SchedulerConfig(json: JSONEncoder().encode(members), file: "schedulers.json")
    }
  }

  struct Case: Decodable {
    var settings: Settings
    var count: Int
    var eta: Float?
    var config: SchedulerConfig { settings.config }

    enum CodingKeys: String, CodingKey {
      case settings = "config"
      case count, eta
    }

    /// The sampler with the settings of this case.
    func makeScheduler() throws -> any Scheduler {
      guard config.className == "DDIMScheduler" else { return try config.makeScheduler() }
      var scheduler = DDIMScheduler(config)
      scheduler.eta = eta ?? 0
      return scheduler
    }
  }

  var schedules: [String: Settings]
  var cases: [String: Case]

  static func read() throws -> SchedulerGolden {
    let file = Fixtures.folder.appending(path: "goldens/schedulers.json")
    return try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
  }
}

/// The distance that two correct computations in Float32 may have after so many calls.
///
/// In one call the sample passes some ten roundings of at most 2⁻²⁴, which add up like a random walk to about three,
/// and PyTorch's own square roots are a unit off at times. The fake model does not damp what an early call gets wrong.
private func tolerance(calls: Int) -> Double { 4 * Double(calls) * 0x1p-24 }

/// The golden's stand-ins for the model and for the noise.
private struct FakeModel {
  static let shape: Shape = [2, 3, 4, 5]
  let backend = CPUBackend(threads: 1)

  func wave(_ phase: Double) -> Tensor {
    Tensor((0..<Self.shape.count).map { Float(sin(Double($0) * 0.7 + phase * 1.3)) }, Self.shape, on: backend)
  }

  func callAsFunction(_ sample: Tensor, _ timestep: Int) -> Tensor { sample * 0.5 + wave(Double(timestep)) }

  func noise(_ call: Int) -> Tensor { wave(0.25 + Double(call)) * 1.5 }
}

/// A walk that is told the model's outputs.
private struct Walk {
  private let scheduler: any Scheduler
  private let walk: SamplerWalk
  private var call = 0

  init(_ scheduler: any Scheduler, from start: Tensor) {
    self.scheduler = scheduler
    walk = SamplerWalk(start.shape, memoryCount: scheduler.memoryCount, on: start.backend)
    restart(from: start)
  }

  mutating func restart(from start: Tensor) {
    walk.sample.assign(start)
    call = 0
  }

  var sample: Tensor { walk.sample }

  mutating func step(_ modelOutput: Tensor, noise: NoiseSource) {
    let transition = scheduler.transition(after: call)
    walk.prepare(transition, noise: noise)
    walk.take(transition.form, modelOutput)
    call += 1
  }
}

@Suite struct SchedulerTests {
  @Test func schedulesAreThoseOfDiffusers() throws {
    let golden = try Fixtures.golden("schedulers")
    let schedules = try SchedulerGolden.read().schedules.mapValues(\.config)
    #expect(schedules.count == 6)
    for (name, config) in schedules {
      let schedule = NoiseSchedule(config)
      let betas = try golden.floats("\(name)/betas")
      let products = try golden.floats("\(name)/alphas_cumprod")
      if config.rescaleBetasZeroSNR ?? false {
        // PyTorch takes square roots s of ᾱ that may be one unit off, 2⁻²³ s at most. The rescaling subtracts the last,
        // 0.0683, and so leaves a relative error of 2⁻²³ s / (s - 0.0683), which doubles in the square, for both
        // timesteps of a quotient.
        let unit: Float = 0x1p-24
        for (index, (found, expected)) in zip(schedule.betas, betas).enumerated() where products[index] > 0 {
          let signal = products[index].squareRoot()
          #expect(abs(found - expected) <= unit * (4 + 8 * (1 - expected) * (signal + 0.0683) / signal), "\(index)")
        }
        #expect(zip(schedule.alphasCumulativeProduct, products).allSatisfy { abs($0 - $1) <= 8 * unit })
        #expect(schedule.alphasCumulativeProduct.last == 0)
      } else {
        #expect(schedule.betas == betas, "\(name)")
        #expect(schedule.alphasCumulativeProduct == products, "\(name)")
      }
    }
  }

  @Test func walksAreThoseOfDiffusers() throws {
    let golden = try Fixtures.golden("schedulers")
    let cases = try SchedulerGolden.read().cases
    #expect(cases.count > 60)
    let model = FakeModel()
    for (name, walk) in cases.sorted(by: { $0.key < $1.key }) {
      var scheduler = try walk.makeScheduler()
      try scheduler.setTimesteps(walk.count)
      #expect(scheduler.timesteps.map(Int32.init) == (try golden.int32s("\(name)/timesteps")), "\(name)")
      let expected = try golden.floats("\(name)/samples")
      var (taken, drawn) = (Walk(scheduler, from: model.wave(100) * 2), 0)
      let count = taken.sample.count
      var worst = relativeError(taken.sample.array(), Array(expected[..<count]))
      for (call, timestep) in scheduler.timesteps.enumerated() {
        taken.step(model(taken.sample, timestep)) { shape in
          #expect(shape == FakeModel.shape)
          defer { drawn += 1 }
          return model.noise(drawn)
        }
        let start = (call + 1) * count
        worst = max(worst, relativeError(taken.sample.array(), Array(expected[start..<start + count])))
      }
      #expect(worst <= tolerance(calls: scheduler.timesteps.count), "\(name)")
      let draws = walk.config.className == "DDPMScheduler" || walk.eta ?? 0 > 0
      #expect((drawn > 0) == (draws && scheduler.timesteps != [0]), "\(name)")
    }
  }

  @Test(arguments: ["ddim", "plms", "prk"], TimestepSpacing.allCases)
  func timestepsAreThoseOfDiffusers(_ kind: String, _ spacing: TimestepSpacing) throws {
    let golden = try Fixtures.golden("schedulers")
    let prefix = "\(kind)/\(spacing.rawValue)/"
    let counts = golden.names.filter { $0.hasPrefix(prefix) }.compactMap { Int($0.dropFirst(prefix.count)) }
    #expect(counts.count >= 27)
    var config = SchedulerConfig()
    config.className = kind == "ddim" ? "DDIMScheduler" : "PNDMScheduler"
    config.timestepSpacing = spacing
    config.stepsOffset = 1
    config.skipPRKSteps = kind == "plms"
    var scheduler = try config.makeScheduler()
    for count in counts {
      try scheduler.setTimesteps(count)
      // At some counts numpy's rounding gives diffusers one timestep too many, the impossible -1.
      let expected = try golden.int32s("\(prefix)\(count)").filter { $0 >= 0 }
      #expect(scheduler.timesteps.map(Int32.init) == expected, "\(count)")
    }
  }

  /// Where numpy's rounding would give one timestep too many there is none, unlike in diffusers.
  @Test(arguments: TimestepSpacing.allCases)
  func everyStepCountGivesTimestepsOfTheSchedule(_ spacing: TimestepSpacing) throws {
    var config = SchedulerConfig()
    config.timestepSpacing = spacing
    var (ddim, prk) = (DDIMScheduler(config), try PNDMScheduler(config))
    config.skipPRKSteps = true
    var plms = try PNDMScheduler(config)
    for count in 1...1000 {
      try ddim.setTimesteps(count)
      let steps = ddim.timesteps
      #expect(steps.count == count && zip(steps, steps.dropFirst()).allSatisfy(>), "\(count)")
      try plms.setTimesteps(count)
      #expect(plms.timesteps.count == (count > 1 ? count + 1 : 1), "\(count)")
      if count >= 4 { try prk.setTimesteps(count) }
      #expect((steps + plms.timesteps + prk.timesteps).allSatisfy { (0..<1000).contains($0) }, "\(count)")
    }
  }

  @Test(arguments: SamplerName.allCases, [61, 103, 1000])
  func walksWhoseRatioIsRoundedEnd(_ name: SamplerName, _ count: Int) throws {
    var config = SchedulerConfig()
    (config.timestepSpacing, config.skipPRKSteps) = (.trailing, true)
    var scheduler = try config.makeScheduler(named: name)
    try scheduler.setTimesteps(count)
    #expect(scheduler.timesteps.last == Int((1000 / Double(count)).rounded(.toNearestOrEven)) - 1)
    let model = FakeModel()
    var walk = Walk(scheduler, from: model.wave(1))
    for _ in scheduler.timesteps { walk.step(walk.sample * 0.5) { _ in model.wave(2) } }
    #expect(walk.sample.floats().allSatisfy { $0.isFinite })
  }

  @Test(arguments: ["scaled_linear", "zero_snr"])
  func noiseIsAddedAsInDiffusers(_ name: String) throws {
    let golden = try Fixtures.golden("schedulers")
    let config = try #require(try SchedulerGolden.read().schedules[name]?.config)
    let backend = CPUBackend(threads: 1)
    let coefficients = NoiseCoefficients(NoiseSchedule(config), on: backend)
    func tensor(_ name: String) throws -> Tensor { Tensor(try golden.floats(name), [8, 3, 4, 5], on: backend) }
    let (sample, noise) = (try tensor("sample"), try tensor("noise"))
    let timesteps = Tensor(try golden.int32s("timesteps"), [8], on: backend)
    let noisy = coefficients.addNoise(sample, noise, timesteps: timesteps)
    let velocity = coefficients.velocity(sample, noise, timesteps: timesteps)
    // Three roundings and two square roots that are one unit off in PyTorch.
    let tolerance = 5 * 0x1p-24
    #expect(relativeError(noisy.array(), try golden.floats("\(name)/add_noise")) <= tolerance)
    #expect(relativeError(velocity.array(), try golden.floats("\(name)/velocity")) <= tolerance)
    #expect(coefficients.target(.epsilon, sample, noise, timesteps: timesteps).array() == noise.array(Float.self))
    #expect(coefficients.target(.sample, sample, noise, timesteps: timesteps).array() == sample.array(Float.self))
    #expect(coefficients.target(.velocity, sample, noise, timesteps: timesteps).array() == velocity.array(Float.self))
  }

  @Test func signalToNoiseRatiosAreStableDiffusions() throws {
    let schedule = NoiseSchedule(try Fixtures.stableDiffusionSchedule())
    #expect(abs(schedule.signalToNoiseRatio(0) - 1175.44) < 0.01)
    #expect(abs(schedule.signalToNoiseRatio(999) - 0.00468) < 0.00001)
  }

  @Test func aWalkForgetsTheOneBefore() throws {
    let model = FakeModel()
    var scheduler = try PNDMScheduler(Fixtures.stableDiffusionSchedule())
    try scheduler.setTimesteps(6)
    var walk = Walk(scheduler, from: model.wave(1))
    func samples() -> [Float] {
      walk.restart(from: model.wave(1))
      for timestep in scheduler.timesteps { walk.step(model(walk.sample, timestep)) { _ in model.wave(0) } }
      return walk.sample.array()
    }
    #expect(samples() == samples())
  }

  @Test func impossibleStepCountsAreRefused() throws {
    var ddim = DDIMScheduler(try Fixtures.stableDiffusionSchedule())
    for count in [-1, 0, 1000, 1001] { #expect(throws: SchedulerError.self) { try ddim.setTimesteps(count) } }
    try ddim.setTimesteps(999)
    var config = try Fixtures.stableDiffusionSchedule()
    config.skipPRKSteps = false
    var pndm = try PNDMScheduler(config)
    #expect(throws: SchedulerError.self) { try pndm.setTimesteps(3) }
  }
}
