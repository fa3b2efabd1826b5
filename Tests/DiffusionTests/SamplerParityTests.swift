import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Whole walks from noise to a picture, with guidance, are those of diffusers' pipeline.
@Suite struct SamplerParityTests {
  /// What the pipeline was asked for; see Fixtures/sampling.py.
  private struct Walk: Decodable {
    let prompts: [String]
    let negativePrompts: [String]
    let guidanceScale: Float
    let steps: Int
  }

  /// What a picture was asked for; see Fixtures/pictures.py.
  private struct Picture: Decodable {
    let model: String
    let scheduler: String
    let prompt: String
    let negativePrompt: String
    let guidanceScale: Float
    let steps: Int
    let seed: UInt64
    let height: Int
    let width: Int
  }

  private func scheduler(_ name: String, _ folder: ModelFolder) throws -> any Scheduler {
    let sampler = try #require(SamplerName(rawValue: name))
    return try folder.schedulerConfiguration.makeScheduler(named: sampler)
  }

  @Test(
    arguments: Device.allCases,
    [("tiny-sd1", "ddim"), ("tiny-sd1", "pndm"), ("tiny-sd21", "ddim"), ("tiny-sd21", "pndm")])
  func everyStepFromAGivenStart(_ computeDevice: Device, _ names: (model: String, sampler: String)) throws {
    let (device, model, sampler) = (computeDevice.backend, names.model, names.sampler)
    let golden = try Fixtures.golden("sampling-\(model)-\(sampler)")
    let walk = try Fixtures.golden("sampling-\(model)-\(sampler)", as: Walk.self)
    let folder = try ModelFolder(Fixtures.model(model))
    let pipeline = try TextToImage(folder, on: device)
    let start = try golden.tensor("latents", on: device)
    var request = TextToImageRequest(prompts: walk.prompts)
    request.negativePrompts = walk.negativePrompts
    request.guidanceScale = walk.guidanceScale
    request.steps = walk.steps
    request.height = start.shape[2] * pipeline.autoencoder.configuration.downFactor
    request.width = start.shape[3] * pipeline.autoencoder.configuration.downFactor
    request.latents = start

    var (steps, timesteps): ([Float], [Int32]) = ([], [])
    let pictures = try pipeline(request, scheduler: scheduler(sampler, folder)) { progress in
      steps += progress.latents.floats()
      timesteps.append(Int32(progress.timestep))
    }
    let (expected, expectedTimesteps) = (try golden.floats("steps"), try golden.int32s("timesteps"))
    #expect(timesteps == expectedTimesteps)
    try #require(steps.count == expected.count)
    for (index, first) in stride(from: 0, to: steps.count, by: start.count).enumerated() {
      let range = first..<first + start.count
      let error = relativeError(Array(steps[range]), Array(expected[range]))
      #expect(error <= Tolerance.sampledLatents, "step \(index + 1)")
    }
    let finalError = try golden.relativeError(of: pictures.latents, "final")
    #expect(finalError <= Tolerance.sampledLatents)
    let decodedError = try golden.relativeError(of: pictures.pixels.channelsFirst(), "decoded")
    #expect(decodedError <= Tolerance.sampledLatents)
    let bytes = try golden.withBytes("image") { Array($0) }
    #expect(try largestDifference(pictures.images().flatMap(\.pixels), bytes) <= Tolerance.pixelLevels)
  }

  @Test(arguments: Device.allCases, ["tiny-sd1-42", "toy-world-42"])
  func pictureOfASeed(_ computeDevice: Device, _ name: String) throws {
    let device = computeDevice.backend
    let golden = try Fixtures.golden("pictures/\(name)")
    let picture = try Fixtures.golden("pictures/\(name)", as: Picture.self)
    let isBaseModel = picture.model == Fixtures.baseModel.lastPathComponent
    let folder = try ModelFolder(isBaseModel ? Fixtures.baseModel : Fixtures.model(picture.model))
    var request = TextToImageRequest(prompts: [picture.prompt])
    request.negativePrompts = [picture.negativePrompt]
    request.guidanceScale = picture.guidanceScale
    request.steps = picture.steps
    request.height = picture.height
    request.width = picture.width
    request.seeds = [picture.seed]

    let found = try TextToImage(folder, on: device)(request, scheduler: scheduler(picture.scheduler, folder))
    let error = try golden.relativeError(of: found.latents, "final")
    #expect(error <= Tolerance.sampledLatents)
    let expected = try Image(contentsOf: Fixtures.folder.appending(path: "goldens/pictures/\(name).png"))
    #expect((expected.height, expected.width) == (picture.height, picture.width))
    #expect(try largestDifference(found.images()[0].pixels, expected.pixels) <= Tolerance.pixelLevels)
  }

  private func largestDifference(_ found: [UInt8], _ expected: [UInt8]) -> Int {
    guard found.count == expected.count else { return .max }
    return zip(found, expected).map { abs(Int($0) - Int($1)) }.max() ?? 0
  }
}
