import Autograd
import OperationCatalogue

/// The order of the axes here and in PyTorch.
enum Layout: Sendable {
  /// The same in both.
  case plain
  /// [batch, height, width, channels] here, [batch, channels, height, width] there.
  case picture
  /// The backend's own order here, [out, in, height, width] there. References use PyTorch's.
  case convolutionWeight
}

/// An input of a differentiable operation.
struct DerivativeInput: Sendable {
  let operand: Operand
  let layout: Layout
  let isConstant: Bool

  init(_ shape: Shape, _ layout: Layout = .plain, _ distribution: Distribution = .normal()) {
    operand = Operand(shape, .float32, distribution)
    self.layout = layout
    isConstant = false
  }

  private init(constant operand: Operand) {
    self.operand = operand
    layout = .plain
    isConstant = true
  }

  /// Numbers that no derivative is taken by.
  static func constant(_ operand: Operand) -> DerivativeInput { DerivativeInput(constant: operand) }
}

/// A differentiable operation with small extents: once as code under test, once as a naive reference.
struct DerivativeCase: Sendable, CustomStringConvertible {
  /// The method of `Variable`.
  let operation: String
  /// What sets the case apart from others of the operation, or nothing.
  let variant: String
  let inputs: [DerivativeInput]
  /// The layout of the result.
  let layout: Layout
  /// The length of the longest sum in forward or backward pass, from which tolerances follow.
  let sumLength: Int
  let forward: @Sendable ([Variable]) -> Variable
  let reference: @Sendable ([Values]) -> Values

  init(
    _ operation: String, _ variant: String = "", inputs: [DerivativeInput], layout: Layout = .plain,
    sumLength: Int, forward: @escaping @Sendable ([Variable]) -> Variable,
    reference: @escaping @Sendable ([Values]) -> Values
  ) {
    self.operation = operation
    self.variant = variant
    self.inputs = inputs
    self.layout = layout
    self.sumLength = sumLength
    self.forward = forward
    self.reference = reference
  }

  /// The name, which is also the one of the golden.
  var description: String {
    let word = ["+": "add", "*": "multiply"][operation] ?? operation
    return variant.isEmpty ? word : "\(word)-\(variant)"
  }

  /// The inputs that derivatives are taken by.
  var differentiableInputs: [Int] { inputs.indices.filter { !inputs[$0].isConstant } }

  /// The inputs' numbers, the same on every call.
  func inputValues() -> [Values] {
    let seed = description.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    return inputs.enumerated().map { $1.operand.values(seed: seed &+ UInt64($0), after: []) }
  }

  /// Runs forward and backward passes on a device.
  ///
  /// - Returns: the result and the gradients of the differentiable inputs, in the references' layouts.
  func run(_ values: [Values], seed: Values, on backend: any Backend) -> (out: Values, gradients: [Values]) {
    let layout = backend.convolutionLayout
    let variables = zip(inputs, values).map { input, values in
      let stored = input.layout == .convolutionWeight ? values.stored(layout) : values
      let tensor = Tensor(numbers: stored.numbers, stored.shape, input.operand.dtype, on: backend)
      return input.isConstant ? Variable(tensor) : Variable(leaf: tensor)
    }
    let out = forward(variables)
    out.backward(Tensor(numbers: seed.numbers, out.shape, .float32, on: backend))
    let gradients = differentiableInputs.map { index in
      guard let gradient = variables[index].gradient else { fatalError("\(self): input \(index) got no gradient") }
      let values = Values(gradient.shape, numbers: gradient.numbers())
      return inputs[index].layout == .convolutionWeight ? values.unstored(layout) : values
    }
    return (Values(out.shape, numbers: out.value.numbers()), gradients)
  }
}

/// The relative error, norm of the difference over norm, that Float32 arithmetic may leave.
///
/// A sum of k terms, each rounded, in any usual order is off by about √k · u of its terms' size, u = 2⁻²⁴ (Higham and
/// Mary, 2019). An operation and its derivative chain a few such sums and elementary functions; eight of them at worst
/// in normalisation and attention.
func float32Tolerance(sumLength: Int) -> Double { 8 * Double(sumLength).squareRoot() * 0x1p-24 }
