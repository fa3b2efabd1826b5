import Foundation

/// Pictures of one prompt that show how far a run has come: each time from the same seeds.
struct SampleImages {
  /// The pictures' folder, `samples` in the output folder.
  let folder: URL
  let configuration: TrainingConfiguration
  let seed: UInt64

  /// Makes the pictures of a step, `samples/step-N/0.png` and so on.
  ///
  /// Picture i has the seed of the run plus i, so `dbtool generate` makes the same one from the trained model.
  ///
  /// - Returns: the pictures that were made before a stop was asked for.
  func write(
    step: Int, with pipeline: TextToImage, scheduler: any Scheduler, stop: StopSignal
  ) throws -> [URL] {
    let prompt = configuration.validationPrompt ?? ""
    var request = TextToImageRequest(prompts: [prompt])
    request.guidanceScale = configuration.guidanceScale
    request.steps = configuration.validationInferenceSteps
    request.height = configuration.resolution
    request.width = configuration.resolution
    let place = folder.appending(path: "step-\(step)", directoryHint: .isDirectory)
    try AtomicFolder.makeIfMissing(place)
    // Training needs the memory.
    defer { pipeline.forgetRecordings() }
    var images: [URL] = []
    for number in 0..<configuration.numValidationImages {
      // One at a time: the optimiser's memory stays taken meanwhile.
      request.seeds = [seed &+ UInt64(number)]
      let url = place.appending(path: "\(number).png")
      let text = [PNG.Text("prompt", prompt), PNG.Text("seed", "\(request.seeds[0])"), PNG.Text("step", "\(step)")]
      guard let pictures = try pipeline.pictures(request, scheduler, unless: stop) else { break }
      try pictures[0].writePNG(to: url, text: text)
      images.append(url)
    }
    return images
  }
}
