import Testing

@testable import DreamBooth

@Suite struct BatchOrderTests {
  @Test(arguments: [(5, 4), (5, 1), (3, 7), (1, 2), (200, 3)])
  func everyEpochShowsEveryPictureOnce(imageCount: Int, batchSize: Int) {
    let order = BatchOrder(imageCount: imageCount, batchSize: batchSize, seed: 1, .instanceOrder)
    let epochs = 6
    let batches = (epochs * imageCount + batchSize - 1) / batchSize
    let sequence = (0..<batches).flatMap { order.images(inBatch: $0) }
    #expect(sequence.count == batches * batchSize)
    for epoch in 0..<epochs {
      #expect(sequence[epoch * imageCount..<(epoch + 1) * imageCount].sorted() == Array(0..<imageCount))
    }
  }

  @Test func anyBatchIsKnownWithoutTheEarlierOnes() {
    let order = BatchOrder(imageCount: 7, batchSize: 3, seed: 9, .classOrder)
    let forwards = (0..<50).map { order.images(inBatch: $0) }
    let backwards = (0..<50).reversed().map { order.images(inBatch: $0) }
    #expect(forwards == backwards.reversed())
  }

  @Test func seedPurposeAndEpochChangeTheOrder() {
    func epoch(_ number: Int, seed: UInt64, _ purpose: TrainingStream) -> [Int] {
      BatchOrder(imageCount: 40, batchSize: 40, seed: seed, purpose).images(inBatch: number)
    }
    let orders = [
      epoch(0, seed: 1, .instanceOrder), epoch(1, seed: 1, .instanceOrder), epoch(0, seed: 2, .instanceOrder),
      epoch(0, seed: 1, .classOrder),
    ]
    #expect(Set(orders).count == orders.count)
  }

  /// Every picture comes first in about a sixth of 6000 epochs: 1000 ± 29 by the binomial's standard deviation.
  @Test func everyPictureMayComeFirst() {
    let order = BatchOrder(imageCount: 6, batchSize: 6, seed: 3, .instanceOrder)
    var counts = [Int](repeating: 0, count: 6)
    for epoch in 0..<6000 { counts[order.images(inBatch: epoch)[0]] += 1 }
    #expect(counts.allSatisfy { abs($0 - 1000) < 5 * 29 }, "\(counts)")
  }

  @Test func everyPurposeHasAStreamOfItsOwn() {
    let numbers = TrainingStream.allCases.map { $0.random(seed: 5).uniforms(4, draw: 0) }
    #expect(Set(numbers).count == TrainingStream.allCases.count)
  }
}
