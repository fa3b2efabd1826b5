import DreamBooth
import TestSupport
import Testing

@Suite struct PriorPreservationLossTests {
  private let backend = CPUBackend()
  private let shape: Shape = [5, 2, 3]
  /// Numbers with an exact product, so that the formula can be checked to the last bit of its sums.
  private let errors: [Float] = (0..<30).map { Float(($0 * 7) % 11) / 4 - 1 }
  private let targets: [Float] = (0..<30).map { Float(($0 * 5) % 13) / 8 }

  private func mean(_ values: ArraySlice<Float>) -> Float {
    Float(values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count))
  }

  private func prediction() -> Variable {
    Variable(leaf: Tensor(zip(targets, errors).map { $0 + $1 }, shape, on: backend))
  }

  @Test func addsTheWeightedClassLossToTheInstanceLoss() {
    let loss = PriorPreservationLoss(instanceCount: 2, classCount: 3, weight: 0.5, on: backend)
    let value = loss(prediction(), Tensor(targets, shape, on: backend))
    let (instance, prior) = (mean(errors[..<12]), mean(errors[12...]))
    #expect(relativeError([value.instance.scalar], [instance]) < 1e-6)
    #expect(relativeError([value.prior?.scalar ?? .nan], [prior]) < 1e-6)
    #expect(relativeError([value.total.value.scalar], [instance + 0.5 * prior]) < 1e-6)
  }

  @Test func isThePlainErrorWithoutClassPictures() {
    let loss = PriorPreservationLoss(instanceCount: 5, classCount: 0, weight: 0.5, on: backend)
    let value = loss(prediction(), Tensor(targets, shape, on: backend))
    #expect(value.prior == nil)
    #expect(relativeError([value.instance.scalar], [mean(errors[...])]) < 1e-6)
    #expect(relativeError([value.total.value.scalar], [mean(errors[...])]) < 1e-6)
  }

  @Test func gradientsCarryTheWeightAndTheImportance() throws {
    let loss = PriorPreservationLoss(instanceCount: 2, classCount: 3, weight: 0.5, on: backend)
    let prediction = prediction()
    let importance: [Float] = [1, 2, 0.5, 0, 4]
    loss(
      prediction, Tensor(targets, shape, on: backend), importance: Tensor(importance, [5], on: backend)
    ).total.backward()
    let weights = [1 / 2, 1 / 2, 0.5 / 3, 0.5 / 3, 0.5 / 3] as [Float]
    let expected = errors.enumerated().map { index, error in
      2 * error / 6 * weights[index / 6] * importance[index / 6]
    }
    #expect(relativeError(try #require(prediction.gradient).floats(), expected) < 1e-6)
  }
}
