/// What decides on the contents of each batch, as a pure function of the seed and the batch's number.
struct TrainingData: Sendable {
  /// A folder's latents, and the order in which batches take them.
  struct Part: Sendable {
    let latents: LatentSource
    let order: BatchOrder

    /// The latents of a folder in the given order.
    init(_ latents: LatentSource, _ order: BatchOrder) {
      self.latents = latents
      self.order = order
    }
  }

  /// The batch on the device, the one of the last `load`.
  let batch: TrainingBatch

  private let parts: [Part]
  private let timestepCount: Int
  private let seed: UInt64

  /// The data of a run.
  ///
  /// - Parameters:
  ///   - number: the place of the batch's number, one Int32.
  ///   - parts: the instance pictures and, with prior preservation, the class pictures.
  ///   - scalingFactor: the autoencoder's.
  ///   - timestepCount: the number of timesteps of the noise schedule.
  init(
    number: Tensor, _ parts: [Part], prompts: PromptStates, scalingFactor: Float, timestepCount: Int, offsetNoise: Bool,
    seed: UInt64,
    on backend: any Backend
  ) {
    self.parts = parts
    self.timestepCount = timestepCount
    self.seed = seed
    batch = TrainingBatch(
      number: number, latents: parts.map(\.latents.latents), prompts: prompts, scalingFactor: scalingFactor,
      offsetNoise: offsetNoise,
      seed: seed, on: backend)
  }

  /// Makes `batch` the one of the given number; the first is 0.
  func load(_ number: Int) {
    batch.number.assign([Int32(number)])
    batch.timesteps.assign(timesteps(number, count: batch.timesteps.count))
    var place = 0
    for part in parts {
      let chosen = part.order.images(inBatch: number)
      part.latents.load(chosen, inBatch: number, from: place)
      place += chosen.count
    }
  }

  private func timesteps(_ number: Int, count: Int) -> [Int32] {
    let chances = TrainingStream.timesteps.random(seed: seed).uniforms(count, draw: UInt32(number))
    return chances.map { Int32(Double($0) * Double(timestepCount)) }
  }
}
