import OperationCatalogue
import Tensor
import TestSupport
import Testing

/// More scores than a device writes out at once: it takes the queries in parts, whose contributions to keys and values
/// must add up.
@Suite struct AttentionPartsTests {
  /// 66 MiB of Float32 scores, in a head size that no specialised kernel takes.
  private static let tokens = 4160
  private static let shape: Shape = [1, tokens, 1, 4]
  private static let spec = Attention(scale: 0.5)

  /// The device takes all queries at once and adds to half of the gradients, the CPU takes slices of the queries.
  @Test(arguments: Device.allCases)
  func partsAddUp(_ device: Device) {
    for dtype in device.backend.computeTypes {
      let numbers = (0..<4).map { Operand(Self.shape, dtype).values(seed: UInt64($0), after: []).floats }
      let expected = Self.inSlices(numbers)
      let found = Self.atOnce(numbers, dtype, on: device.backend)
      // In half types the weights, their derivatives, the output and the result are rounded once each.
      let tolerance = dtype == .float32 ? Tolerance.forward : 4 * dtype.unitRoundoff
      for (name, (found, expected)) in zip(["out", "dq", "dk", "dv"], zip(found, expected)) {
        #expect(relativeError(found, expected) <= tolerance, "\(name) in \(dtype)")
      }
    }
  }

  private static func atOnce(_ numbers: [[Float]], _ dtype: DType, on backend: any Backend) -> [[Float]] {
    let x = numbers.map { Tensor($0, shape, on: backend).cast(to: dtype) }
    let (out, logSumExp) = x[0].attention(keys: x[1], values: x[2], spec)
    let gradients = (0..<3).map { _ in out.emptyLike() }
    backend.fill(0, into: gradients[1])
    backend.attentionBackward(
      x[0], x[1], x[2], out: out, logSumExp: logSumExp, x[3], spec, dq: .overwrite(gradients[0]),
      dk: .accumulate(gradients[1]), dv: .overwrite(gradients[2]))
    return [out.floats()] + gradients.map { $0.floats() }
  }

  private static func inSlices(_ numbers: [[Float]]) -> [[Float]] {
    let backend = Device.cpu.backend
    let x = numbers.map { Tensor($0, shape, on: backend) }
    let (dk, dv) = (x[1].emptyLike(), x[2].emptyLike())
    for gradient in [dk, dv] { backend.fill(0, into: gradient) }
    var (out, dq): ([Float], [Float]) = ([], [])
    for start in stride(from: 0, to: tokens, by: 1000) {
      let range = start..<min(start + 1000, tokens)
      let (q, gradient) = (x[0].sliced(1, range), x[3].sliced(1, range))
      let (sliceOut, logSumExp) = q.attention(keys: x[1], values: x[2], spec)
      let sliceGradient = q.emptyLike()
      backend.attentionBackward(
        q, x[1], x[2], out: sliceOut, logSumExp: logSumExp, gradient, spec, dq: .overwrite(sliceGradient),
        dk: .accumulate(dk), dv: .accumulate(dv))
      out += sliceOut.floats()
      dq += sliceGradient.floats()
    }
    return [out, dq, dk.floats(), dv.floats()]
  }
}
