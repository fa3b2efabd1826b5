/// The pictures of a folder, decoded and resized, from which each batch takes its crops.
struct TrainingPictures: Sendable {
  /// One way of looking at a picture.
  struct View: Sendable, Hashable {
    /// The number of the picture.
    let picture: Int
    /// The left edge of the crop, in pixels of the resized picture.
    let x: Int
    /// The top edge of the crop.
    let y: Int
    /// Whether the crop is mirrored.
    let isFlipped: Bool
  }

  /// The names of the pictures in their folder.
  let names: [String]
  /// The side of the crops in pixels.
  let resolution: Int
  private let pictures: [Image]
  private let centerCrop: Bool
  private let randomFlip: Bool
  private let seed: UInt64

  /// Reads the first `limit` pictures of a folder, all where left out.
  ///
  /// - Parameter progress: is told how many have been read.
  /// - Throws: `ImageError`.
  init(
    _ folder: ImageFolder, limit: Int = .max, _ configuration: TrainingConfiguration, seed: UInt64,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    let (resolution, filter) = (configuration.resolution, configuration.imageInterpolationMode)
    let count = min(limit, folder.count)
    names = Array(folder.names.prefix(count))
    pictures = try (0..<count).map { index in
      defer { progress(index + 1, count) }
      let resized = try folder.image(at: index).resized(shortSide: resolution, filter: filter)
      return configuration.centerCrop ? resized.centerCropped(width: resolution, height: resolution) : resized
    }
    self.resolution = resolution
    self.seed = seed
    centerCrop = configuration.centerCrop
    randomFlip = configuration.randomFlip
  }

  /// Pictures of noise, to measure with.
  init(noise count: Int, resolution: Int, seed: UInt64) {
    names = (0..<count).map(String.init)
    pictures = (0..<count).map { number in
      let numbers = RandomStream(seed: seed, stream: 0).uniforms(3 * resolution * resolution, draw: UInt32(number))
      return Image(width: resolution, height: resolution, pixels: numbers.map { UInt8($0 * 256) })
    }
    self.resolution = resolution
    self.seed = seed
    centerCrop = true
    randomFlip = false
  }

  /// The number of pictures.
  var count: Int { pictures.count }

  /// Every view there is, the mirrored ones after the others, if no random crop makes them too many to list.
  ///
  /// A picture that fits the crop exactly has but one crop.
  var allViews: [View]? {
    guard pictures.allSatisfy({ $0.width == resolution && $0.height == resolution }) else { return nil }
    let upright = pictures.indices.map { View(picture: $0, x: 0, y: 0, isFlipped: false) }
    return randomFlip ? upright + upright.map { View(picture: $0.picture, x: 0, y: 0, isFlipped: true) } : upright
  }

  /// How a batch looks at its pictures.
  ///
  /// - Parameters:
  ///   - chosen: the numbers of the pictures.
  ///   - place: where the first of them stands in the batch.
  func views(_ chosen: [Int], inBatch batch: Int, from place: Int) -> [View] {
    let slots = place + chosen.count
    let crops = TrainingStream.crop.random(seed: seed).uniforms(2 * slots, draw: UInt32(batch))
    let flips = TrainingStream.flip.random(seed: seed).uniforms(slots, draw: UInt32(batch))
    return chosen.enumerated().map { index, picture in
      let (slot, image) = (place + index, pictures[picture])
      func offset(_ chance: Float, _ margin: Int) -> Int { Int(Double(chance) * Double(margin + 1)) }
      return View(
        picture: picture, x: offset(crops[2 * slot], image.width - resolution),
        y: offset(crops[2 * slot + 1], image.height - resolution), isFlipped: randomFlip && flips[slot] < 0.5)
    }
  }

  /// The pixels of a view from -1 to 1, [1, resolution, resolution, 3].
  func pixels(_ view: View, on backend: any Backend) -> Tensor {
    var image = pictures[view.picture]
    if image.width != resolution || image.height != resolution {
      image = image.cropped(x: view.x, y: view.y, width: resolution, height: resolution)
    }
    if view.isFlipped { image = image.flippedHorizontally() }
    return Tensor(image.normalized(.interleaved), [1, resolution, resolution, 3], on: backend)
  }
}
