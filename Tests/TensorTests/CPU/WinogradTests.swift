import OperationCatalogue
import TestSupport
import Testing

@testable import Tensor

/// Convolutions by Winograd's algorithm that are larger than the catalogue's, so that windows are transformed in several
/// passes and sums stay from one to the next.
@Suite struct WinogradTests {
  private static let pictures: Shape = [1, 51, 50, 330]
  private static let weight: Shape = [3, 3, 330, 33]
  private static let spec = Convolution2D(stride: 1, padding: .all(1))

  /// The picture needs several passes: the test would not test them otherwise.
  @Test func pictureIsTransformedInSeveralPasses() {
    #expect(WinogradConvolution.suits(Self.pictures, weight: Self.weight, Self.spec))
    for isFast in [false, true] {
      let convolution = WinogradConvolution(Self.pictures, weight: Self.weight, isTurned: false, isFast: isFast)
      #expect(convolution.tiles.size == (isFast ? .four : .two))
      #expect(convolution.sharesWeights && convolution.tilesAtOnce < convolution.tiles.count)
    }
    for set in InstructionSet.available {
      let gradient = WinogradWeightGradient(
        Self.pictures, weight: Self.weight, CPUBackend(threads: 1, instructionSet: set).kernels)
      #expect(gradient.runsAtOnce * WinogradWeightGradient.run < gradient.tiles.count)
    }
  }

  /// Some elements of all three results, those at the borders among them, lie within the bound of a direct sum.
  @Test(arguments: InstructionSet.available, [false, true])
  func largePicturesAgreeWithDirectSums(_ set: InstructionSet, isFast: Bool) {
    let backend = CPUBackend(threads: 3, instructionSet: set, fastConvolution: isFast)
    let (height, width, inputs, outputs) = (Self.pictures[1], Self.pictures[2], Self.weight[2], Self.weight[3])
    let x = Operand(Self.pictures).values(seed: 1, after: [])
    let weight = Operand(Self.weight).values(seed: 2, after: [])
    let gradient = Operand([1, height, width, outputs]).values(seed: 3, after: [])
    func tensor(_ values: Values) -> Tensor { Tensor(numbers: values.numbers, values.shape, .float32, on: backend) }
    let y = Tensor(empty: gradient.shape, on: backend)
    let dx = Tensor(empty: x.shape, on: backend)
    let dw = Tensor(empty: weight.shape, on: backend)
    backend.convolution(tensor(x), tensor(weight), bias: nil, Self.spec, into: y)
    backend.convolutionBackwardInput(tensor(gradient), tensor(weight), Self.spec, into: .overwrite(dx))
    backend.convolutionBackwardWeight(tensor(x), tensor(gradient), Self.spec, into: .overwrite(dw))
    let (ys, dxs, dws) = (y.floats(), dx.floats(), dw.floats())

    for pixel in [0, width - 1, height * width - 1, (height - 1) * width] + Array(stride(from: 7, to: 2500, by: 131)) {
      let (row, column) = pixel.quotientAndRemainder(dividingBy: width)
      let (input, output) = (pixel % inputs, pixel % outputs)
      var (sum, sumOfGradients) = (BoundedSum(), BoundedSum())
      for tap in 0..<9 {
        let (dy, dx) = (tap / 3 - 1, tap % 3 - 1)
        guard (0..<height).contains(row + dy) && (0..<width).contains(column + dx) else { continue }
        for c in 0..<inputs { sum.add(x[0, row + dy, column + dx, c] * weight[tap / 3, tap % 3, c, output]) }
        for c in 0..<outputs {
          sumOfGradients.add(gradient[0, row + dy, column + dx, c] * weight[2 - tap / 3, 2 - tap % 3, input, c])
        }
      }
      expect(ys[pixel * outputs + output], sum)
      expect(dxs[pixel * inputs + input], sumOfGradients)
    }
    for (input, output) in [(0, 0), (107, 32), (108, 5), (329, 31)] {
      for tap in 0..<9 {
        let (dy, dx) = (tap / 3 - 1, tap % 3 - 1)
        var sum = BoundedSum()
        for row in max(0, -dy)..<min(height, height - dy) {
          for column in max(0, -dx)..<min(width, width - dx) {
            sum.add(x[0, row + dy, column + dx, input] * gradient[0, row, column, output])
          }
        }
        expect(dws[(tap * inputs + input) * outputs + output], sum)
      }
    }
  }

  /// Fast convolutions lose less than two bits more, as a good choice of points lets them: with the usual ±1 and ±2 they
  /// would lose almost three.
  @Test(arguments: InstructionSet.available)
  func fastConvolutionsLoseLessThanTwoBits(_ set: InstructionSet) {
    let x = Operand([1, 16, 16, 320]).values(seed: 1, after: [])
    let weight = Operand([32, 320, 3, 3]).values(seed: 2, after: [])
    let exact = Reference.convolution(x, weight, bias: nil, Self.spec).numbers.map { Float($0) }
    func error(isFast: Bool) -> Double {
      let backend = CPUBackend(threads: 1, instructionSet: set, fastConvolution: isFast)
      let stored = weight.stored(backend.convolutionLayout)
      let out = Tensor(numbers: x.numbers, x.shape, .float32, on: backend).convolution(
        Tensor(numbers: stored.numbers, stored.shape, .float32, on: backend), bias: nil, Self.spec)
      return relativeError(out.floats(), exact)
    }
    let (careful, fast) = (error(isFast: false), error(isFast: true))
    #expect(fast != careful && fast < 4 * careful, "\(fast) and \(careful)")
  }

  private func expect(_ actual: Float, _ sum: BoundedSum) {
    let expected = sum.total
    #expect(abs(Double(actual) - expected.value) <= expected.error)
  }
}
