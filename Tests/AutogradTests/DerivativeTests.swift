import Autograd
import Foundation
import OperationCatalogue
import TestSupport
import Testing

/// Every derivative against differences of the naive reference in double precision.
@Suite struct DerivativeTests {
  @Test(arguments: Device.allCases, DerivativeCase.all)
  func agreesWithDifferences(_ device: Device, _ operation: DerivativeCase) {
    let values = operation.inputValues()
    let expected = operation.reference(values)
    let seed = Operand(expected.shape).values(seed: 0x5EED, after: [])
    let (out, gradients) = operation.run(values, seed: seed, on: device.backend)
    let tolerance = float32Tolerance(sumLength: operation.sumLength)
    #expect(relativeError(out.floats, expected.floats) <= tolerance)
    for (gradient, input) in zip(gradients, operation.differentiableInputs) {
      let differences = differences(operation, values, input: input, seed: seed)
      #expect(gradient.shape == values[input].shape)
      #expect(relativeError(gradient.floats, differences) <= tolerance, "the gradient of input \(input)")
    }
  }

  /// The derivative of Σ seed · output by every element of one input.
  ///
  /// The five-point rule with step 1e-3 leaves a truncation error near h⁴ = 1e-12 and a rounding error near 1e-13: both
  /// vanish beside Float32.
  private func differences(_ operation: DerivativeCase, _ values: [Values], input: Int, seed: Values) -> [Float] {
    let step = 1e-3
    return values[input].elements.indices.map { element in
      func loss(_ steps: Double) -> Double {
        var moved = values
        moved[input][element] = Bounded(values[input][element].value + steps * step)
        return zip(operation.reference(moved).elements, seed.elements).reduce(0) { $0 + $1.0.value * $1.1.value }
      }
      return Float((8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * step))
    }
  }

  @Test func everyOperationHasACase() throws {
    let folder = Fixtures.folder.deletingLastPathComponent().appending(path: "Sources/Autograd/Ops")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    let operations = try files.flatMap { file in
      try String(contentsOf: file, encoding: .utf8)
        .matches(of: /\n  public (?:static )?func (\S+?)\s?\(/).map { String($0.output.1) }
    }
    #expect(operations.count > 10)
    // A cast is a staircase, which differences tell nothing about; `MixedPrecisionTests` has it.
    #expect(Set(operations) == Set(DerivativeCase.all.map(\.operation)).union(["cast"]))
  }

  @Test func namesAreUnique() {
    let names = DerivativeCase.all.map(\.description)
    #expect(Set(names).count == names.count)
  }
}
