/// The latents of a folder's pictures.
///
/// Where nothing random stands before the autoencoder, each picture is encoded once. What is kept is the distribution
/// of its latent, not a sample of it: every batch draws afresh, as if the picture had been encoded again.
struct LatentSource: Sendable {
  private enum Storage: Sendable {
    /// Rows of means and of standard deviations, [views, height · width · channels], by view.
    case cached(rows: [TrainingPictures.View: Int32], means: Tensor, deviations: Tensor, shape: Shape)
    case encoding(AutoencoderKL)
  }

  private let pictures: TrainingPictures
  private let storage: Storage
  private let backend: any Backend

  /// The latents of some pictures.
  ///
  /// - Parameter progress: is told how many views have been encoded ahead.
  init(
    _ pictures: TrainingPictures, _ autoencoder: AutoencoderKL, on backend: any Backend,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) {
    self.pictures = pictures
    self.backend = backend
    guard let views = pictures.allViews else {
      storage = .encoding(autoencoder)
      return
    }
    var (means, deviations): ([Tensor], [Tensor]) = ([], [])
    for (index, view) in views.enumerated() {
      let distribution = autoencoder.encode(pictures.pixels(view, on: backend))
      means.append(distribution.mean)
      deviations.append(distribution.standardDeviation)
      progress(index + 1, views.count)
    }
    let shape = means[0].shape
    let table: Shape = [views.count, shape.count]
    storage = .cached(
      rows: Dictionary(uniqueKeysWithValues: zip(views, (0..<Int32(views.count)))),
      means: Tensor.concatenated(means, axis: 0).reshaped(table),
      deviations: Tensor.concatenated(deviations, axis: 0).reshaped(table), shape: shape)
  }

  /// Whether the autoencoder is done with.
  var isCached: Bool {
    if case .cached = storage { true } else { false }
  }

  /// The distributions of the latents of some pictures in a batch, before the scaling factor.
  ///
  /// - Parameters:
  ///   - chosen: the numbers of the pictures.
  ///   - place: where the first of them stands in the batch.
  /// - Returns: means and standard deviations, [pictures, height, width, channels].
  func distributions(
    _ chosen: [Int], inBatch batch: Int, from place: Int
  ) -> (mean: Tensor, standardDeviation: Tensor) {
    let views = pictures.views(chosen, inBatch: batch, from: place)
    switch storage {
    case .cached(let rows, let means, let deviations, let shape):
      let indices = Tensor(views.map { rows[$0]! }, [views.count], on: backend)
      let shape = shape.replacing(0, with: views.count)
      return (means.gathered(indices).reshaped(shape), deviations.gathered(indices).reshaped(shape))
    case .encoding(let autoencoder):
      let distributions = views.map { autoencoder.encode(pictures.pixels($0, on: backend)) }
      return (
        Tensor.concatenated(distributions.map(\.mean), axis: 0),
        Tensor.concatenated(distributions.map(\.standardDeviation), axis: 0)
      )
    }
  }
}
