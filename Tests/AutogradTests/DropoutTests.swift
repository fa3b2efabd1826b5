import TestSupport
import Testing

@testable import Autograd

@Suite struct DropoutTests {
  private func dropout(_ probability: Double, batch: Int32 = 0, on backend: any Backend) -> Dropout {
    Dropout(
      probability: probability, RandomStream(seed: 1, stream: 2), draw: Tensor([batch], [], on: backend))
  }

  private func ones(_ count: Int, on backend: any Backend) -> Variable {
    Variable(Tensor(repeating: 1, [count], on: backend))
  }

  @Test(arguments: Device.kinds, [0.1, 0.5, 0.75])
  func someNumbersVanishAndTheOthersMakeUpForThem(_ device: Device, _ probability: Double) {
    let count = 100_000
    let dropped = dropout(probability, on: device.backend)(ones(count, on: device.backend)).value.floats()
    let kept = Float(1 / (1 - probability))
    #expect(Set(dropped) == [0, kept])
    // Five standard deviations of a binomial distribution.
    let deviation = (probability * (1 - probability) * Double(count)).squareRoot()
    #expect(abs(Double(dropped.count { $0 == 0 }) - probability * Double(count)) < 5 * deviation)
  }

  @Test func numbersChangeWithTheDrawAndTheLayer() {
    let backend = Device.cpu.backend
    let x = ones(1000, on: backend)
    let first = dropout(0.5, on: backend)
    #expect(first(x).value.floats() == dropout(0.5, on: backend)(x).value.floats())
    #expect(first(x).value.floats() != dropout(0.5, batch: 1, on: backend)(x).value.floats())
    let (one, other) = (first.independent(for: "a"), first.independent(for: "b"))
    #expect(one(x).value.floats() == first.independent(for: "a")(x).value.floats())
    #expect(one(x).value.floats() != other(x).value.floats())
  }

  @Test func nothingIsDroppedWhereNoDerivativesAreWanted() {
    let backend = Device.cpu.backend
    let (x, drop) = (ones(1000, on: backend), dropout(0.5, on: backend))
    #expect(withoutRecording { drop(x).value.floats() } == x.value.floats())
    #expect(dropout(0, on: backend)(x).value.floats() == x.value.floats())
  }

  @Test func aBlockThatIsComputedAgainDropsTheSame() {
    let backend = Device.cpu.backend
    let drop = dropout(0.5, on: backend)
    func run(checkpointed: Bool) -> (value: [Float], gradient: [Float]) {
      let x = Variable(leaf: Tensor(repeating: 3, [1000], on: backend))
      let out = checkpointed ? checkpoint([x]) { drop($0[0]) } : drop(x)
      out.sum().backward()
      return (out.value.floats(), x.gradient?.floats() ?? [])
    }
    let plain = run(checkpointed: false)
    #expect(plain.gradient == plain.value.map { $0 / 3 })
    #expect(run(checkpointed: true) == plain)
  }
}
