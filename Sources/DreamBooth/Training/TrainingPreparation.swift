import Foundation

/// Reads and encodes what a run trains on.
struct TrainingPreparation {
  let configuration: TrainingConfiguration
  let model: TrainingModel
  let seed: UInt64
  let observer: TrainingObserver

  /// The pictures of the subject; files that are no pictures are named.
  func instancePictures() throws -> TrainingPictures {
    try pictures(configuration.instanceDataDir, "Reading the instance pictures")
  }

  /// The pictures of the class, at most as many as are asked for; `nil` without prior preservation.
  func classPictures() throws -> TrainingPictures? {
    guard configuration.withPriorPreservation, let folder = configuration.classDataDir else { return nil }
    return try pictures(folder, limit: configuration.numClassImages, "Reading the class pictures")
  }

  /// Generates the class pictures that are missing.
  ///
  /// - Returns: whether all are there; false after a stop was asked for.
  func generateClassImages(_ stop: StopSignal) throws -> Bool {
    guard configuration.withPriorPreservation, let folder = configuration.classDataDir,
      let prompt = configuration.classPrompt
    else { return true }
    let images = ClassImages(configuration, folder: URL(filePath: folder), prompt: prompt, seed: seed)
    guard try !images.missing().isEmpty else { return true }
    let task = "Generating class pictures"
    observer(.began(task))
    let scheduler = try model.makeScheduler(named: configuration.scheduler)
    return try images.generate(with: model.pipeline, scheduler: scheduler, stop: stop) { done, total in
      observer(.progressed(task, done: done, of: total))
    }
  }

  /// Everything that enters the batches.
  func data(_ instance: TrainingPictures, _ prior: TrainingPictures?) -> TrainingData {
    let size = configuration.trainBatchSize
    var prompts = Array(repeating: configuration.instancePrompt, count: size)
    if prior != nil, let prompt = configuration.classPrompt {
      prompts += Array(repeating: prompt, count: size)
    }
    func part(_ pictures: TrainingPictures, _ purpose: TrainingStream) -> TrainingData.Part {
      let task = "Encoding pictures"
      observer(.began(task))
      let latents = LatentSource(
        pictures, model.pipeline.autoencoder, batchSize: size, on: model.backend
      ) { done, total in
        observer(.progressed(task, done: done, of: total))
      }
      return TrainingData.Part(
        latents, BatchOrder(imageCount: pictures.count, batchSize: size, seed: seed, purpose))
    }
    return TrainingData(
      number: model.batchNumber, [part(instance, .instanceOrder)] + (prior.map { [part($0, .classOrder)] } ?? []),
      prompts: PromptStates(
        prompts.map(model.pipeline.tokenizer.encode), model.pipeline.textEncoder, isTrained: model.trainsTextStates,
        checkpointing: configuration.gradientCheckpointing),
      scalingFactor: model.pipeline.autoencoder.configuration.scalingFactor, timestepCount: model.timestepCount,
      offsetNoise: configuration.offsetNoise, seed: seed, on: model.backend)
  }

  private func pictures(_ path: String, limit: Int = .max, _ task: String) throws -> TrainingPictures {
    let folder = try ImageFolder(URL(filePath: path, directoryHint: .isDirectory))
    if !folder.skipped.isEmpty {
      observer(.warning("\(path): not used: \(folder.skipped.map(\.description).joined(separator: ", "))"))
    }
    observer(.began(task))
    return try TrainingPictures(folder, limit: limit, configuration, seed: seed) { done, total in
      observer(.progressed(task, done: done, of: total))
    }
  }
}
