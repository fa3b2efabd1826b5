import Diffusion
import Foundation
import TestSupport
import Testing

/// What a request means, and which requests are refused. That the numbers are diffusers' is tested elsewhere.
@Suite struct TextToImageTests {
  private let device = CPUBackend()

  private func pipeline(_ model: String = "tiny-sample") throws -> TextToImage {
    try TextToImage(ModelFolder(Fixtures.model(model)), on: device)
  }

  /// A short request, cheap to meet.
  private func request(_ prompts: String..., seeds: [UInt64] = [3]) -> TextToImageRequest {
    var request = TextToImageRequest(prompts: prompts)
    (request.steps, request.seeds) = (3, seeds)
    return request
  }

  private func sampler() throws -> any Scheduler { DDIMScheduler(try Fixtures.stableDiffusionSchedule()) }

  private func ancestralSampler() throws -> any Scheduler { DDPMScheduler(try Fixtures.stableDiffusionSchedule()) }

  @Test func picturesHaveTheSizeThatWasAskedFor() throws {
    let pipeline = try pipeline()
    let standard = try pipeline(request("a dog"), scheduler: sampler())
    #expect(standard.latents.shape == [1, 4, 8, 8] as Shape)
    #expect(standard.pixels.shape == [1, 16, 16, 3] as Shape)
    var wide = request("a dog", "a cat")
    (wide.height, wide.width) = (10, 22)
    let pictures = try pipeline(wide, scheduler: sampler())
    #expect(pictures.latents.shape == [2, 4, 5, 11] as Shape)
    #expect(pictures.pixels.shape == [2, 10, 22, 3] as Shape)
  }

  @Test func picturesBecomeImagesOneByOne() throws {
    let values: [Float] = [-2, -1, 0, 1, 2, 0.25, -3, 0, 1, -1, -1, -1]
    let pixels = Tensor(values, [2, 1, 2, 3], on: device)
    let images = try GeneratedPictures(latents: pixels, pixels: pixels).images()
    #expect(images.map(\.pixels) == [[0, 0, 128, 255, 255, 159], [0, 128, 255, 0, 0, 0]])
    #expect(images.allSatisfy { $0.width == 2 && $0.height == 1 })
  }

  @Test(arguments: [Float.nan, .infinity])
  func whatIsNoNumberBecomesNoPicture(_ value: Float) throws {
    let pixels = Tensor([0, 1, value], [1, 1, 1, 3], on: device)
    #expect(throws: TextToImageError.noNumbers) { try GeneratedPictures(latents: pixels, pixels: pixels).images() }
  }

  @Test func noiseIsDrawnInTheOrderOfDiffusers() throws {
    let pipeline = try pipeline()
    let golden = try Fixtures.golden("sampling-seeds")
    var request = request("a dog", "a cat", seeds: [5])
    (request.steps, request.guidanceScale) = (7, 3)
    let scheduler = try ModelFolder(Fixtures.model("tiny-sample")).schedulerConfiguration.makeScheduler()
    let shared = try pipeline.latents(request, scheduler: scheduler)
    #expect(relativeError(shared.floats(), try golden.floats("shared")) < Tolerance.sampledLatents)
    (request.seeds, request.guidanceScale) = ([5, 9], 1)
    let each = try pipeline.latents(request, scheduler: scheduler)
    #expect(relativeError(each.floats(), try golden.floats("each")) < Tolerance.sampledLatents)
  }

  @Test func withASeedEachAPictureStandsForItself() throws {
    let pipeline = try pipeline()
    let both = try pipeline.latents(request("a dog", "a cat", seeds: [3, 8]), scheduler: ancestralSampler())
    let alone = try pipeline.latents(request("a cat", seeds: [8]), scheduler: ancestralSampler())
    #expect(relativeError(both.rows(1..<2).floats(), alone.floats()) < Tolerance.sampledLatents)
    let shared = try pipeline.latents(request("a dog", "a cat", seeds: [8]), scheduler: ancestralSampler())
    #expect(relativeError(shared.rows(1..<2).floats(), alone.floats()) > 0.1)
  }

  @Test func aStartThatIsGivenReplacesTheSeedsNumbers() throws {
    let pipeline = try pipeline()
    var fromSeed = request("a dog", seeds: [11])
    let expected = try pipeline.latents(fromSeed, scheduler: sampler())
    var generator = TorchGenerator(seed: 11)
    fromSeed.latents = Tensor(generator.randn(256), [1, 4, 8, 8], on: device)
    fromSeed.seeds = [12]
    #expect(try pipeline.latents(fromSeed, scheduler: sampler()).floats() == expected.floats())
  }

  @Test func guidanceOfOneOrLessAsksForOnePrediction() throws {
    let pipeline = try pipeline()
    var plain = request("a dog")
    plain.guidanceScale = 1
    let expected = try pipeline.latents(plain, scheduler: sampler())
    plain.negativePrompts = ["blurry"]
    #expect(try pipeline.latents(plain, scheduler: sampler()).floats() == expected.floats())
    plain.guidanceScale = 3
    let guided = try pipeline.latents(plain, scheduler: sampler())
    #expect(guided.floats() != expected.floats())
    plain.negativePrompts = []
    #expect(try pipeline.latents(plain, scheduler: sampler()).floats() != guided.floats())
  }

  @Test func progressCountsPredictionsAndCanStopTheWalk() throws {
    struct Stop: Error {}
    let pipeline = try pipeline()
    var seen: [Int] = []
    #expect(throws: Stop.self) {
      try pipeline(request("a dog"), scheduler: sampler()) { progress in
        seen.append(progress.timestep)
        #expect(progress.stepCount == 3 && progress.step == seen.count)
        #expect(progress.latents.shape == [1, 4, 8, 8] as Shape)
        if progress.step == 2 { throw Stop() }
      }
    }
    #expect(seen == [667, 334])
  }

  @Test func nothingIsRecorded() throws {
    let folder = try ModelFolder(Fixtures.model("tiny-sample"))
    let (unet, parameters) = try folder.loadUNet(on: device, trainable: { _ in true })
    let pipeline = TextToImage(
      tokenizer: try folder.loadTokenizer(), textEncoder: try folder.loadTextEncoder(on: device).model, unet: unet,
      autoencoder: try folder.loadAutoencoder(on: device).model, on: device)
    _ = try pipeline(request("a dog"), scheduler: sampler())
    let before = device.memory.live
    for _ in 0..<3 { _ = try pipeline(request("a dog"), scheduler: sampler()) }
    #expect(device.memory.live == before)
    #expect(parameters.gradients.floats().allSatisfy { $0 == 0 })
  }

  @Test func requestsThatMakeNoSenseAreRefused() throws {
    let pipeline = try pipeline()
    func error(_ change: (inout TextToImageRequest) -> Void) -> TextToImageError? {
      var request = request("a dog", "a cat")
      change(&request)
      return #expect(throws: TextToImageError.self) { try pipeline(request, scheduler: sampler()) }
    }
    #expect(error { $0.prompts = [] } == .noPrompts)
    #expect(
      error { $0.negativePrompts = ["a", "b", "c"] } == .wrongCount(of: "negative prompts", count: 3, prompts: 2))
    #expect(error { $0.seeds = [] } == .wrongCount(of: "seeds", count: 0, prompts: 2))
    #expect(error { $0.height = 15 } == .wrongSize(side: "height", pixels: 15, multipleOf: 2))
    #expect(error { $0.guidanceScale = .infinity } == .wrongGuidance(.infinity))
    #expect(error { $0.width = 0 } == .wrongSize(side: "width", pixels: 0, multipleOf: 2))
    let latents = Tensor(repeating: 0, [1, 4, 8, 8], on: device)
    #expect(error { $0.latents = latents } == .wrongLatents(found: [1, 4, 8, 8], expected: [2, 4, 8, 8]))
    var impossible = request("a dog")
    impossible.steps = 1001
    #expect(throws: SchedulerError.self) { try pipeline(impossible, scheduler: sampler()) }
  }
}
