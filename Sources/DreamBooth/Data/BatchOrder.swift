/// Which pictures enter which batch: the folder again and again, each time in another random order.
///
/// The order is a pure function of the seed, so the pictures of any batch are known without having seen the earlier
/// ones. Every batch is full: it goes on into the next epoch where one ends.
struct BatchOrder: Sendable, Hashable {
  private let imageCount: Int
  private let batchSize: Int
  private let random: RandomStream

  /// An order of `imageCount` pictures in batches of `batchSize`.
  ///
  /// - Parameter purpose: `instanceOrder` or `classOrder`.
  init(imageCount: Int, batchSize: Int, seed: UInt64, _ purpose: TrainingStream) {
    require(imageCount > 0 && batchSize > 0, "BatchOrder: \(imageCount) pictures in batches of \(batchSize)")
    self.imageCount = imageCount
    self.batchSize = batchSize
    random = purpose.random(seed: seed)
  }

  /// The numbers of the pictures in a batch; the first batch is 0.
  func images(inBatch batch: Int) -> [Int] {
    var order: [Int] = []
    var orderedEpoch: Int?
    return (batch * batchSize..<(batch + 1) * batchSize).map { position in
      let (epoch, place) = position.quotientAndRemainder(dividingBy: imageCount)
      if epoch != orderedEpoch {
        order = self.order(ofEpoch: epoch)
        orderedEpoch = epoch
      }
      return order[place]
    }
  }

  /// All pictures in the order of one epoch, shuffled as by Fisher and Yates.
  private func order(ofEpoch epoch: Int) -> [Int] {
    let chances = random.uniforms(imageCount, draw: UInt32(epoch))
    var order = Array(0..<imageCount)
    for index in order.indices {
      // In Float64 the product stays below the count. A uniform has 24 bits, so for the sizes of picture folders no
      // place is noticeably favoured.
      order.swapAt(index, index + Int(Double(chances[index]) * Double(imageCount - index)))
    }
    return order
  }
}
