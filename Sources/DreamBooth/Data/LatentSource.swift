/// Where the latents of one part of each batch come from.
///
/// Where nothing random stands before the autoencoder, each picture is encoded once. What is kept is the distribution
/// of its latent, not a sample of it: every batch draws afresh, as if the picture had been encoded again.
struct LatentSource: Sendable {
  private enum Storage: Sendable {
    /// The row of each view in tables of all latents, and the tensor that says which rows are picked.
    case cached(rows: [TrainingPictures.View: Int32], picked: Tensor)
    /// The tensors that the autoencoder's results are copied to.
    case encoding(AutoencoderKL, mean: Tensor, deviation: Tensor)
  }

  /// The latents on the device, those of the last `load`.
  let latents: BatchLatents

  private let pictures: TrainingPictures
  private let storage: Storage
  private let backend: any Backend

  /// The latents of some pictures.
  ///
  /// - Parameters:
  ///   - batchSize: how many of them enter a batch.
  ///   - progress: is told how many views have been encoded ahead.
  init(
    _ pictures: TrainingPictures, _ autoencoder: AutoencoderKL, batchSize: Int, on backend: any Backend,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) {
    self.pictures = pictures
    self.backend = backend
    let side = pictures.resolution / autoencoder.configuration.downFactor
    let shape: Shape = [batchSize, side, side, autoencoder.configuration.latentChannels]
    guard let views = pictures.allViews else {
      let (mean, deviation) = (Tensor(empty: shape, on: backend), Tensor(empty: shape, on: backend))
      storage = .encoding(autoencoder, mean: mean, deviation: deviation)
      latents = .encoded(mean: mean, deviation: deviation)
      return
    }
    var (means, deviations): ([Tensor], [Tensor]) = ([], [])
    for (index, view) in views.enumerated() {
      let distribution = autoencoder.encode(pictures.pixels(view, on: backend))
      means.append(distribution.mean)
      deviations.append(distribution.standardDeviation)
      progress(index + 1, views.count)
    }
    let table: Shape = [views.count, shape.count / batchSize]
    let picked = Tensor([Int32](repeating: 0, count: batchSize), [batchSize], on: backend)
    storage = .cached(rows: Dictionary(uniqueKeysWithValues: zip(views, (0..<Int32(views.count)))), picked: picked)
    latents = .picked(
      picked, means: Tensor.concatenated(means, axis: 0).reshaped(table),
      deviations: Tensor.concatenated(deviations, axis: 0).reshaped(table), shape)
  }

  /// Whether the autoencoder is done with.
  var isCached: Bool {
    if case .cached = storage { true } else { false }
  }

  /// Makes the latents those of some pictures in a batch.
  ///
  /// - Parameters:
  ///   - chosen: the numbers of the pictures.
  ///   - place: where the first of them stands in the batch.
  func load(_ chosen: [Int], inBatch batch: Int, from place: Int) {
    let views = pictures.views(chosen, inBatch: batch, from: place)
    switch storage {
    case .cached(let rows, let picked): picked.assign(views.map { rows[$0]! })
    case .encoding(let autoencoder, let mean, let deviation):
      for (index, view) in views.enumerated() {
        let distribution = autoencoder.encode(pictures.pixels(view, on: backend))
        mean.rows(index..<index + 1).assign(distribution.mean)
        deviation.rows(index..<index + 1).assign(distribution.standardDeviation)
      }
    }
  }
}

/// The distributions of the latents of one part of a batch, in tensors that keep their place.
enum BatchLatents: Sendable {
  /// Int32 rows [pictures] of tables [views, height · width · channels]; the last value is the shape of the result.
  case picked(Tensor, means: Tensor, deviations: Tensor, Shape)
  /// [pictures, height, width, channels].
  case encoded(mean: Tensor, deviation: Tensor)

  /// [pictures, height, width, channels].
  var shape: Shape {
    switch self {
    case .picked(_, _, _, let shape): shape
    case .encoded(let mean, _): mean.shape
    }
  }

  /// Means and standard deviations before the scaling factor, [pictures, height, width, channels].
  func callAsFunction() -> (mean: Tensor, standardDeviation: Tensor) {
    switch self {
    case .picked(let rows, let means, let deviations, let shape):
      (means.gathered(rows).reshaped(shape), deviations.gathered(rows).reshaped(shape))
    case .encoded(let mean, let deviation): (mean, deviation)
    }
  }
}
