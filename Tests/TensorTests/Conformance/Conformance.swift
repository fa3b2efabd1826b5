import OperationCatalogue
import Tensor
import Testing

/// How the outputs of a call are written.
enum WriteMode: String, CaseIterable, Sendable {
  case overwrite, accumulate
  /// Accumulate and overwrite in turn, as when some gradients have arrived before and others have not.
  case alternating

  func write(_ index: Int) -> Write {
    switch self {
    case .overwrite: .overwrite
    case .accumulate: .accumulate
    case .alternating: index.isMultiple(of: 2) ? .accumulate : .overwrite
    }
  }

  /// The modes that make a difference to a case.
  static func modes(of operation: OperationCase) -> [WriteMode] {
    let choices = operation.outputs.filter { $0.mode == .either }.count
    return choices == 0 ? [.overwrite] : choices == 1 ? [.overwrite, .accumulate] : allCases
  }
}

extension OperationCase {
  /// Runs the case between guard values and compares every output element with the reference.
  ///
  /// - Parameter guardWidth: how many elements lie before and after each tensor.
  func check(
    on backend: any Backend, _ mode: WriteMode, guardWidth: Int, operands values: [Values], reference: [Values]
  ) {
    let layout = backend.convolutionLayout
    let operandTensors = zip(operands, values).map { operand, values in
      let stored = operand.isConvolutionWeight ? values.stored(layout) : values
      return GuardedTensor(operand: stored.numbers, stored.shape, operand.dtype, guardWidth: guardWidth, on: backend)
    }
    let bases = outputs.enumerated().map { index, output in base(output, index, mode, values, reference[index], layout)
    }
    let outputTensors = zip(outputs, bases).map { output, base in
      GuardedTensor(output: base.numbers, base.shape, output.dtype, guardWidth: guardWidth, on: backend)
    }
    let destinations = outputTensors.enumerated().map { index, output in
      Destination(tensor: output.tensor, write: outputs[index].mode == .either ? mode.write(index) : .overwrite)
    }
    run(backend, operandTensors.map(\.tensor), destinations)
    backend.synchronize()

    for (index, operand) in operandTensors.enumerated() {
      #expect(operand.isUnchanged, "\(self), \(mode): operand \(index) or its borders changed")
    }
    for (index, output) in outputTensors.enumerated() {
      #expect(output.hasIntactBorders, "\(self), \(mode): output \(index) was left through its borders")
      let expected = outputs[index].isConvolutionWeight ? reference[index].stored(layout) : reference[index]
      let adds = destinations[index].write == .accumulate
      let result = adds ? sum(of: bases[index], expected, outputs[index]) : expected
      if let difference = Comparison(output.tensor, result).worst {
        Issue.record("\(self), \(mode), output \(index): \(difference)")
      }
    }
  }

  /// What an output holds after a call that adds to it.
  private func sum(of base: Values, _ addend: Values, _ output: Output) -> Values {
    let terms = output.mayRoundBeforeAdding ? addend.elements.map { $0.read(as: output.dtype) } : addend.elements
    return Values(addend.shape, zip(base.elements, terms).map { $0 + $1 })
  }

  /// What an output holds before the call: poison that must vanish, numbers to add to, or an operand to update.
  private func base(
    _ output: Output, _ index: Int, _ mode: WriteMode, _ operands: [Values], _ reference: Values,
    _ layout: ConvolutionLayout
  ) -> Values {
    if case .update(let operand) = output.mode { return operands[operand] }
    let shape = output.isConvolutionWeight ? reference.stored(layout).shape : reference.shape
    if output.mode == .either && mode.write(index) == .accumulate {
      return Operand(shape, output.dtype).values(seed: 0xBA5E + UInt64(index), after: [])
    }
    let poison = output.dtype.isFloatingPoint ? Double.nan : 99
    return Values(shape, Array(repeating: Bounded(poison), count: shape.count))
  }
}

/// A comparison of a tensor with bounded numbers.
struct Comparison {
  /// The element that lies furthest outside its tolerance, in words; `nil` if all are inside.
  private(set) var worst: String?

  init(_ tensor: Tensor, _ expected: Values) {
    #expect(tensor.shape.count == expected.count)
    var worstExcess = 0.0
    var failures = 0
    for (index, (actual, expected)) in zip(tensor.numbers(), expected.elements).enumerated() {
      let tolerance = tensor.dtype.tolerance(expected)
      let target = expected.error == 0 ? tensor.dtype.rounded(expected.value) : expected.value
      if actual == target || (actual.isNaN && target.isNaN) || abs(actual - target) <= tolerance { continue }
      failures += 1
      let excess = abs(actual - target) / max(tolerance, Double.leastNormalMagnitude)
      if failures == 1 || !(excess <= worstExcess) {
        worstExcess = excess
        worst = "element \(index) is \(actual), not \(target) ± \(tolerance)"
      }
    }
    if failures > 1 { worst = (worst ?? "") + " (\(failures) of \(expected.count) elements are wrong)" }
  }
}

extension DType {
  /// How far a stored element may lie from a bounded number: the bound, and what rounding to a shorter type adds.
  ///
  /// The bound already contains the last rounding to Float32. A number that is known exactly must be stored exactly.
  func tolerance(_ expected: Bounded) -> Double {
    guard expected.error != 0 else { return 0 }
    guard self != .float32 else { return expected.error }
    return expected.error + unitRoundoff * (abs(expected.value) + expected.error) + smallestSpacing
  }
}
