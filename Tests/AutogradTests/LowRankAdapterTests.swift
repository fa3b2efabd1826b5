import TestSupport
import Testing

@testable import Autograd

/// Adapters learn and what they are added to does not.
@Suite struct LowRankAdapterTests {
  private func pair(
    _ adapters: [LowRankAdapters], gradients: ParameterStore.GradientKeeping = .arena
  ) throws -> (model: [SmallBlock], parameters: ParameterStore) {
    try ParameterStore.build(
      on: Device.cpu.backend, trainable: { _ in false }, gradients: gradients, additions: adapters,
      from: InitialParameters(seed: 3)
    ) { scope in
      [try SmallBlock(scope[0]), try SmallBlock(scope[1])]
    }
  }

  private func adapters(_ name: String = "default", isTrained: Bool = true, rank: Int = 2) -> LowRankAdapters {
    LowRankAdapters(name: name, isTrained: isTrained, from: InitialParameters(seed: 4)) { layer in
      layer.hasSuffix("queries") || layer.hasSuffix("convolution")
        ? LowRankAdapters.Form(rank: rank, scale: 3) : nil
    }
  }

  private func output(_ blocks: [SmallBlock]) -> Variable {
    blocks.reduce(Variable(SmallBlock.input(on: Device.cpu.backend))) { $1($0) }
  }

  @Test func onlyFactorsAreTrained() throws {
    let (blocks, store) = try pair([adapters()])
    let names = store.trainable.map(\.name)
    #expect(
      names
        == [0, 1].flatMap { block in
          ["convolution", "queries"].flatMap { layer in
            ["A", "B"].map { "\(block).\(layer).lora_\($0).default.weight" }
          }
        })
    #expect(store.trainable.map(\.specification.shape).prefix(4) == [[2, 8, 3, 3], [8, 2, 1, 1], [2, 8], [8, 2]])
    // Eight factors, each in whole blocks of 256 numbers.
    #expect(store.values.count == 8 * 256)
    output(blocks).sum().backward()
    #expect(store.parameters.filter { !$0.isTrainable }.allSatisfy { $0.gradient == nil })
    // B begins at zero, so A has no derivative yet.
    for parameter in store.trainable {
      let isZero = parameter.gradient?.floats().allSatisfy { $0 == 0 }
      #expect(isZero == parameter.name.contains("lora_A"), "\(parameter.name)")
    }
  }

  @Test func newAdaptersChangeNothingAndTrainedOnesDo() throws {
    let plain = output(try pair([]).model).value.bits
    let (blocks, store) = try pair([adapters()])
    #expect(output(blocks).value.bits == plain)
    let up = try #require(store.trainable.last)
    up.assign([Float](repeating: 0.1, count: up.value.count))
    #expect(output(blocks).value.bits != plain)
  }

  /// W x + scale B A x, against the layer with W + scale B A in its place.
  @Test func severalAddUpAsTheirProductsDo() throws {
    let backend = Device.cpu.backend
    let x = Variable(SmallBlock.input(on: backend))
    func build(_ source: any ParameterSource, _ adapters: [LowRankAdapters]) throws -> [Float] {
      let layer = try ParameterStore.build(
        on: backend, trainable: { _ in false }, additions: adapters, from: source
      ) { try Linear($0["layer"], 8, 2, bias: false) }.model
      return layer(x).value.floats()
    }
    let weight = (0..<16).map { Float($0) / 8 - 1 }
    let (down, up): ([Float], [Float]) = ((0..<8).map { Float($0) - 3 }, [0.5, -2])
    func one(_ name: String, _ scale: Float) -> LowRankAdapters {
      LowRankAdapters(
        name: name, isTrained: false,
        from: GivenNumbers(["layer.lora_A.\(name).weight": down, "layer.lora_B.\(name).weight": up])
      ) { _ in LowRankAdapters.Form(rank: 1, scale: scale) }
    }
    let found = try build(GivenNumbers(["layer.weight": weight]), [one("a", 2), one("b", -0.5)])
    let merged = weight.indices.map { weight[$0] + 1.5 * up[$0 / 8] * down[$0 % 8] }
    let expected = try build(GivenNumbers(["layer.weight": merged]), [])
    #expect(relativeError(found, expected) < 1e-6)
  }

  @Test func frozenAdaptersHaveNoGradients() throws {
    let (blocks, store) = try pair([adapters(isTrained: false)])
    #expect(store.trainable.isEmpty)
    #expect(!output(blocks).isDifferentiable)
  }

  @Test func blocksBeforeTheFirstAdapterAreConstants() throws {
    let (blocks, _) = try pair([
      LowRankAdapters(name: "default", isTrained: true, from: InitialParameters(seed: 4)) {
        $0 == "1.queries" ? LowRankAdapters.Form(rank: 1, scale: 1) : nil
      }
    ])
    let x = Variable(SmallBlock.input(on: Device.cpu.backend))
    let first = checkpoint([x]) { blocks[0]($0[0]) }
    #expect(!first.isDifferentiable)
    #expect(checkpoint([first]) { blocks[1]($0[0]) }.isDifferentiable)
  }
}
