import Autograd
import OperationCatalogue
import TestSupport
import Testing

/// The numbers of Fixtures/operations.py.
@Suite struct TorchOperationTests {
  private let golden: SafetensorsFile

  init() throws {
    golden = try Fixtures.golden("operations")
  }

  /// A tensor of a case in the references' layout.
  private func values(_ name: String, _ layout: Layout) throws -> Values {
    let entry = try golden.entry(name)
    let numbers =
      entry.dtype == .int32 ? try golden.int32s(name).map { Double($0) } : try golden.floats(name).map { Double($0) }
    let values = Values(entry.shape, numbers: numbers)
    return layout == .picture ? values.transposed([0, 2, 3, 1]) : values
  }

  @Test func everyCaseHasAGolden() {
    let names = Set(golden.names.compactMap { $0.split(separator: "/").first.map(String.init) })
    #expect(names == Set(DerivativeCase.all.map(\.description)).union(["adamw"]))
  }

  /// Results and gradients lie within the tolerance of the exact ones, and within twice that of PyTorch's float32,
  /// which keeps the same tolerance.
  @Test(arguments: Device.allCases, DerivativeCase.all)
  func agreesWithTorch(_ device: Device, _ operation: DerivativeCase) throws {
    let inputs = try operation.inputs.enumerated().map { index, input in
      try values("\(operation)/input.\(index)", input.layout)
    }
    #expect(inputs.map(\.shape) == operation.inputs.map(\.operand.shape))
    let seed = try values("\(operation)/seed", operation.layout)
    let (out, gradients) = operation.run(inputs, seed: seed, on: device.backend)
    try compare(out, "output", operation, operation.layout)
    for (index, gradient) in zip(operation.differentiableInputs, gradients) {
      try compare(gradient, "gradient.\(index)", operation, operation.inputs[index].layout)
    }
  }

  private func compare(_ found: Values, _ name: String, _ operation: DerivativeCase, _ layout: Layout) throws {
    let torch = try values("\(operation)/\(name)", layout)
    let exact = try values("\(operation)/exact/\(name)", layout)
    let tolerance = float32Tolerance(sumLength: operation.sumLength)
    #expect(found.shape == exact.shape, "\(name)")
    #expect(relativeError(torch.floats, exact.floats) <= tolerance, "PyTorch's own \(name)")
    #expect(relativeError(found.floats, exact.floats) <= tolerance, "\(name)")
    #expect(relativeError(found.floats, torch.floats) <= 2 * tolerance, "\(name)")
  }

  /// Ten steps of AdamW over two models whose gradients are clipped together.
  @Test(arguments: Device.allCases)
  func optimizerAgreesWithTorch(_ device: Device) throws {
    let stores = try [0, 1].map { index in
      let initial = try golden.floats("adamw/initial.\(index)")
      return try ParameterStore.build(
        on: device.backend, trainable: { _ in true }, from: GivenNumbers(["weight": initial])
      ) { try $0.parameter("weight", [initial.count], initial: .constant(0)) }
    }
    let optimizer = AdamW(stores.map(\.parameters), maximumGradientNorm: 1)
    let rates = try golden.floats("adamw/rates")
    let norms = try golden.floats("adamw/norms")
    for step in 0..<10 {
      for (index, store) in stores.enumerated() {
        let count = store.model.value.count
        let gradients = try golden.floats("adamw/gradients.\(index)")
        store.model.gradient?.assign(Array(gradients[step * count..<(step + 1) * count]))
      }
      let norm = optimizer.step(learningRate: Double(rates[step]))
      #expect(relativeError([norm.scalar], [norms[step]]) <= float32Tolerance(sumLength: 42))
      for (index, store) in stores.enumerated() {
        let count = store.model.value.count
        let parameters = try golden.floats("adamw/parameters.\(index)")
        let expected = Array(parameters[step * count..<(step + 1) * count])
        // Each step rounds some ten times, relative to an update of a hundredth of the parameter.
        #expect(relativeError(store.model.value.array(), expected) <= float32Tolerance(sumLength: step + 1))
        #expect(store.model.gradient?.floats().allSatisfy { $0 == 0 } == true)
      }
    }
    #expect(optimizer.stepCount == 10)
  }
}
