import DreamBooth
import OperationCatalogue
import TestSupport
import Testing

/// The benchmarks of single operations measure what the networks ask for.
@Suite struct BenchmarkTests {
  private let account = ProfilingBackend(NullBackend())

  @Test(arguments: [1, 2])
  func everyProductOfATrainingStepIsMeasured(_ batch: Int) throws {
    var options = TrainingBenchmark.Options()
    options.batch = batch
    let benchmark = try TrainingBenchmark(StandardModel.sd15.untrained(), options, on: account)
    _ = account.takeProfile()
    try benchmark.step()
    let asked = account.takeProfile().products
    #expect(asked.count > 150)
    #expect(asked.subtracting(measured([.unet], batch)).sorted() == [])
  }

  @Test func everyProductOfAPictureIsMeasured() throws {
    var options = SamplingBenchmark.Options()
    options.steps = 2
    let benchmark = try SamplingBenchmark(StandardModel.sd15.untrained(), options, on: account)
    _ = account.takeProfile()
    _ = try benchmark.measure(count: 1)
    let asked = account.takeProfile().products
    #expect(asked.contains { $0.hasPrefix("convolution [1, 512, 512, 3]") })
    #expect(asked.contains { $0.contains("causal") })
    // A guided step looks at two pictures.
    #expect(asked.subtracting(measured(StableDiffusionPart.allCases, 2)).sorted() == [])
  }

  /// Without the step there is no optimiser, whose moments take twice as much as the weights.
  @Test func figuresAreMeasuredEachForItself() throws {
    func times(_ figures: Set<TrainingBenchmark.Figure>) throws -> TrainingBenchmark.Times {
      var options = TrainingBenchmark.Options()
      options.figures = figures
      options.resolution = 16
      return try TrainingBenchmark(ModelFolder(Fixtures.model("tiny-sd1")), options, on: CPUBackend()).measure(count: 1)
    }
    let (all, passes) = (try times(Set(TrainingBenchmark.Figure.allCases)), try times([.forward, .forwardAndBackward]))
    #expect(Set(all.seconds.keys) == Set(TrainingBenchmark.Figure.allCases))
    #expect(Set(passes.seconds.keys) == [.forward, .forwardAndBackward])
    #expect(passes.peakByteCount < all.peakByteCount)
    #expect(try times([.forward]).peakByteCount < passes.peakByteCount)
  }

  /// What a device is asked for when operations of the catalogue are measured.
  private func measured(_ parts: [StableDiffusionPart], _ batch: Int) -> Set<String> {
    for operation in OperationCatalogue.stableDiffusion(parts, batch: batch, .float32) {
      _ = OperationBenchmark(operation, on: account)
    }
    return account.takeProfile().products
  }
}

extension Profile {
  /// Convolutions, matrix products and attentions with their extents.
  fileprivate var products: Set<String> {
    let withShapes: Set<Primitive> = [
      .convolution, .convolutionBackwardInput, .convolutionBackwardWeight, .attention, .attentionBackward,
    ]
    return Set(
      kinds.keys.compactMap { kind in
        if withShapes.contains(kind.primitive) { return "\(kind.primitive) \(kind)" }
        // The rows of a product may lie in more than one dimension.
        return kind.primitive == .matrixProduct ? "\(kind.variant) of \(kind.operands.count) operands" : nil
      })
  }
}
