import Foundation
import OperationCatalogue
import Tensor
import TestSupport
import Testing

/// Attention in the vector instructions of every set that this machine runs.
@Suite struct CPUAttentionTests {
  /// Blocks, panels and lanes that are full and that are not, and tokens enough to be cut into parts.
  private static let extents = [
    AttentionExtents(1, queries: 1, keys: 130, heads: 2, headSize: 1),
    AttentionExtents(2, queries: 97, keys: 121, heads: 2, headSize: 17),
    AttentionExtents(1, queries: 100, keys: 1, heads: 3, headSize: 12),
    AttentionExtents(1, queries: 209, keys: 245, heads: 1, headSize: 40),
    AttentionExtents(1, queries: 96, keys: 120, heads: 1, headSize: 64),
    AttentionExtents(1, queries: 21, keys: 1100, heads: 1, headSize: 6),
    AttentionExtents(1, queries: 1100, keys: 21, heads: 1, headSize: 6),
    AttentionExtents(1, queries: 205, keys: 205, heads: 1, headSize: 10, causal: true),
    AttentionExtents(1, queries: 50, keys: 150, heads: 1, headSize: 10, causal: true),
    AttentionExtents(1, queries: 150, keys: 50, heads: 1, headSize: 10, causal: true),
    AttentionExtents(1, queries: 60, keys: 60, heads: 1, headSize: 20, deviation: 30),
  ]

  private static var cases: [OperationCase] {
    let someWanted = [[true, false, false], [false, true, false], [false, false, true], [true, false, true]]
    return extents.flatMap { [OperationCatalogue.attention($0), OperationCatalogue.attentionBackward($0)] }
      + someWanted.map { OperationCatalogue.attentionBackward(extents[1], wanted: $0) }
      + OperationCatalogue.all.filter {
        [.attention, .attentionBackward].contains($0.primitive) && $0.operands[0].dtype == .float32
      }
  }

  @Test func everyInstructionSetAgreesWithTheReference() {
    let backends = InstructionSet.available.map { CPUBackend(threads: 3, instructionSet: $0) }
    for operation in Self.cases {
      let operands = operation.operandValues()
      let reference = operation.reference(operands)
      for backend in backends {
        for mode in WriteMode.modes(of: operation) {
          operation.check(on: backend, mode, guardWidth: 67, operands: operands, reference: reference)
        }
      }
    }
  }

  /// How work is shared out changes no bit, and neither does what a run before has left in the workspace.
  @Test(arguments: InstructionSet.available)
  func resultsDoNotDependOnTheNumberOfThreads(_ set: InstructionSet) {
    let backends = [1, 2, 3, 7].map { CPUBackend(threads: $0, instructionSet: set) }
    let extents = [
      AttentionExtents(1, queries: 1100, keys: 1100, heads: 1, headSize: 4),
      AttentionExtents(2, queries: 205, keys: 205, heads: 3, headSize: 12, causal: true),
    ]
    for operation in extents.flatMap({ [OperationCatalogue.attention($0), OperationCatalogue.attentionBackward($0)] }) {
      let expected = operation.bytes(on: backends[0])
      for backend in backends {
        let areEqual = operation.bytes(on: backend) == expected
        #expect(areEqual, "\(operation) on \(backend.threadCount) threads")
      }
    }
  }

  /// The root mean square of the errors, relative to that of the results, that PyTorch's own attention makes on Stable
  /// Diffusion's shapes.
  private static let pyTorchError = (out: 3.5e-7, gradient: 4.6e-7)

  @Test(arguments: InstructionSet.available)
  func isAsExactAsPyTorch(_ set: InstructionSet) {
    let backend = CPUBackend(threads: 2, instructionSet: set)
    let (tokens, size) = (512, 40)
    let shape: Shape = [1, tokens, 1, size]
    let spec = Attention(scale: 1 / Float(size).squareRoot())
    let numbers = (0..<4).map { Operand(shape, .float32).values(seed: UInt64($0), after: []).floats }
    let x = numbers.map { Tensor($0, shape, on: backend) }
    let (out, logSumExp) = x[0].attention(keys: x[1], values: x[2], spec)
    let gradients = (0..<3).map { _ in out.emptyLike() }
    backend.attentionBackward(
      x[0], x[1], x[2], out: out, logSumExp: logSumExp, x[3], spec, dq: .overwrite(gradients[0]),
      dk: .overwrite(gradients[1]), dv: .overwrite(gradients[2]))
    let expected = ExactAttention(numbers.map { $0.map(Double.init) }, tokens: tokens, size: size)
    #expect(relativeError(out.floats(), expected.out) <= Self.pyTorchError.out)
    for (name, (found, expected)) in zip(["dq", "dk", "dv"], zip(gradients, expected.gradients)) {
      #expect(relativeError(found.floats(), expected) <= Self.pyTorchError.gradient, "\(name)")
    }
  }
}

/// Attention of one head and its derivatives in double precision.
private struct ExactAttention {
  let out: [Float]
  let gradients: [[Float]]

  /// `numbers` are queries, keys, values and the derivative by the result, each [tokens, size].
  init(_ numbers: [[Double]], tokens: Int, size: Int) {
    let (q, k, v, gradient) = (numbers[0], numbers[1], numbers[2], numbers[3])
    let scale = 1 / Double(size).squareRoot()
    func product(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
      (0..<size).reduce(0) { $0 + a[i * size + $1] * b[j * size + $1] }
    }
    var out = [Double](repeating: 0, count: tokens * size)
    var (dq, dk, dv) = (out, out, out)
    for i in 0..<tokens {
      let exponentials = (0..<tokens).map { exp(scale * product(q, i, k, $0)) }
      let total = exponentials.reduce(0, +)
      let weights = exponentials.map { $0 / total }
      for j in 0..<tokens {
        for c in 0..<size { out[i * size + c] += weights[j] * v[j * size + c] }
      }
      let delta = product(out, i, gradient, i)
      for j in 0..<tokens {
        let derivative = scale * weights[j] * (product(gradient, i, v, j) - delta)
        for c in 0..<size {
          dq[i * size + c] += derivative * k[j * size + c]
          dk[j * size + c] += derivative * q[i * size + c]
          dv[j * size + c] += weights[j] * gradient[i * size + c]
        }
      }
    }
    self.out = out.map(Float.init)
    gradients = [dq, dk, dv].map { $0.map(Float.init) }
  }
}
